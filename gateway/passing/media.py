"""Media: WhatsApp's short-lived addresses become ours, so that a caller's key never goes to WhatsApp.

An address of ours holds WhatsApp's own, signed with the log's pepper: any gateway of the log serves it, and
nothing is ever fetched that WhatsApp did not name.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from typing import Any, Final
from uuid import UUID

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from domain.ids import Ids
from gateway import answers, errors
from gateway.access import caller_of
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY
from gateway.logs import get_logger
from gateway.passing import relay
from gateway.upstream import GRAPH_VERSION, Lost, NotSent
from gateway.vault import serving
from gateway.vault.vault import Forgotten, Vault, media_key

VAULT: Final = "vault:"
"""What an address begins with that leads to a kept file."""
PATH: Final = r"/{version:v[0-9]+\.[0-9]+}/media/{token:[A-Za-z0-9_=-]+\.[0-9a-f]{32}}"


async def looked_up(request: web.Request, response: aiohttp.ClientResponse) -> web.StreamResponse:
    """WhatsApp's answer about an object, a media file's address made ours."""
    try:
        async with response:
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return answers.not_reached("/v")
    headers = relay.answered(response)
    if response.method != hdrs.METH_HEAD:
        headers.pop(hdrs.CONTENT_LENGTH, None)
    return web.Response(body=_with_ours(request, body), status=response.status, headers=headers)


def _with_ours(request: web.Request, body: bytes) -> bytes:
    gateway = request.app[GATEWAY]
    try:
        about: Any = json.loads(body)
    except ValueError:
        return body
    if not isinstance(about, dict) or not isinstance(about.get("url"), str):
        return body
    if not gateway.upstream.keeps_media(about["url"]):
        get_logger().warning("an address that is not where WhatsApp keeps media stays as it is")
        return body
    version = request.match_info.get("version", GRAPH_VERSION)
    path = f"/{version}/media/{sealed(gateway.log.ids, about['url'])}"
    return json.dumps(about | {"url": f"{_base(request)}{path}"}).encode()


async def download(request: web.Request) -> web.StreamResponse:
    """GET an address of ours: the file, or the part of it that Range names."""
    gateway = request.app[GATEWAY]
    caller_of(request, Scope.SEND, others=(Scope.CONTENT,))
    url = opened(gateway.log.ids, request.match_info["token"])
    if url is not None and url.startswith(VAULT) and gateway.vault is not None:
        return await _kept(request, gateway.vault, UUID(url.removeprefix(VAULT)))
    if url is None or not gateway.upstream.keeps_media(url):
        details = "This address was not given by this gateway: GET the media id again."
        return errors.graph(404, 100, "Unsupported request", details=details)
    response = await gateway.upstream.open(
        request.method, URL(url, encoded=True), headers=relay.asked(request)
    )
    if isinstance(response, NotSent | Lost):
        return answers.not_reached("/v")
    if relay.redirects(response):
        response.release()
        return relay.redirected()
    return await relay.stream(request, response)


async def from_vault(request: web.Request, media_id: str, caller: ApiKey) -> web.Response | None:
    """What Graph would say of a file that was kept; None where it is WhatsApp's to answer."""
    gateway = request.app[GATEWAY]
    if gateway.vault is None:
        return None
    found = await gateway.vault.find(media_key(gateway.log.ids, media_id))
    if found is None or not caller.reaches(found.line):
        return None
    if request.query.get("phone_number_id", found.line) != found.line:
        return None
    if isinstance(found, Forgotten):
        return forgotten(request)
    token = sealed(gateway.log.ids, f"{VAULT}{found.media_key}")
    path = f"/{request.match_info.get('version', GRAPH_VERSION)}/media/{token}"
    return errors.json(serving.about(found, f"{_base(request)}{path}"))


async def _kept(request: web.Request, vault: Vault, key: UUID) -> web.StreamResponse:
    found = await vault.find(key)
    if found is None:
        raise web.HTTPNotFound(text="The vault has no such file.")
    caller_of(request, Scope.SEND, found.line, others=(Scope.CONTENT,))
    if isinstance(found, Forgotten):
        return forgotten(request)
    return await serving.stream(request, vault, found)


def forgotten(request: web.Request) -> web.Response:
    """A file that was kept and can't be opened any more, in the dialect of the path."""
    text = "The file is gone: whoever sent it was forgotten, or its time is over."
    return errors.in_dialect(request.path, 410, text)


def sealed(ids: Ids, url: str) -> str:
    """The address as part of one of ours."""
    return f"{base64.urlsafe_b64encode(url.encode()).decode()}.{_signature(ids, url)}"


def opened(ids: Ids, token: str) -> str | None:
    """The address that was sealed; None when it wasn't by us."""
    data, _, signature = token.rpartition(".")
    try:
        url = base64.urlsafe_b64decode(data).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return url if hmac.compare_digest(signature, _signature(ids, url)) else None


def _signature(ids: Ids, url: str) -> str:
    return ids.key("media-address", url).hex


def _base(request: web.Request) -> str:
    """How the caller reaches us: its Host, and https where a proxy says so."""
    forwarded = request.headers.get(hdrs.X_FORWARDED_PROTO, "").lower()
    scheme = forwarded if forwarded in ("http", "https") else request.scheme
    return f"{scheme}://{request.host}"
