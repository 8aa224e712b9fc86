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

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from domain.ids import Ids
from gateway import errors
from gateway.access import caller_of
from gateway.auth import Scope
from gateway.gateway import GATEWAY, Gateway
from gateway.logs import get_logger
from gateway.passing import relay
from gateway.upstream import GRAPH_VERSION, Lost, NotSent

PATH: Final = r"/{version:v[0-9]+\.[0-9]+}/media/{token:[A-Za-z0-9_=-]+\.[0-9a-f]{32}}"
HOSTS: Final = (".fbsbx.com", ".fbcdn.net", ".whatsapp.net")
"""Where WhatsApp keeps media: the account's token goes nowhere else."""
META: Final = (".facebook.com", ".instagram.com")


async def looked_up(request: web.Request, response: aiohttp.ClientResponse) -> web.StreamResponse:
    """WhatsApp's answer about an object, a media file's address made ours."""
    try:
        async with response:
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return relay.not_reached()
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
    if not is_media(gateway, about["url"]):
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
    if url is None or not is_media(gateway, url):
        details = "This address was not given by this gateway: GET the media id again."
        return errors.graph(404, 100, "Unsupported request", details=details)
    response = await gateway.upstream.open(
        request.method, URL(url, encoded=True), headers=relay.asked(request)
    )
    if isinstance(response, NotSent | Lost):
        return relay.not_reached()
    if relay.redirects(response):
        response.release()
        return relay.redirected()
    return await relay.stream(request, response)


def is_media(gateway: Gateway, url: str) -> bool:
    """Whether the address is one of WhatsApp's for media, or on the host of a simulated WhatsApp.

    Graph answers any field under any name (`fields=endpoint_uri.as(url)`), and callers write some of them.
    """
    try:
        given = URL(url)
        origin = given.origin()
    except ValueError:
        return False
    if given.user or not given.host:
        return False
    if given.scheme == "https" and given.host.endswith(HOSTS):
        return True
    return origin == gateway.upstream.url("").origin() and not f".{given.host}".endswith(META)


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
