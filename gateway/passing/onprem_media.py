"""Media on the on-premises face: one binary body, served by the Cloud API's two steps and forms."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import uuid4

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from domain.graph_errors import cloud_to_onprem
from gateway import answers, bodies, errors, onprem
from gateway.access import caller_of
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY, Gateway
from gateway.passing import media, relay
from gateway.passing.allowed import PASSAGES
from gateway.passing.changes import Change, account_of
from gateway.upstream import GRAPH_VERSION, Answered, Lost, NotSent
from gateway.vault import serving
from gateway.vault.vault import Forgotten, media_key

COLLECTION: Final = "/v1/media"
ONE: Final = r"/v1/media/{media:[0-9]{1,32}}"
LIMIT: Final = PASSAGES["media"].limit
Response = aiohttp.ClientResponse | NotSent | Lost


async def upload(request: web.Request) -> web.StreamResponse:
    """POST a file as the body, its kind as the Content-Type; answers `{"media":[{"id"}]}`."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.SEND)
    line = _line(gateway, caller)
    file = _File(request)
    change = _change(request, caller, line)
    await change.begin(gateway, {})
    headers: dict[str, str] = {hdrs.CONTENT_TYPE: file.content_type}
    if file.length is not None:
        headers[hdrs.CONTENT_LENGTH] = str(file.length)
    url = gateway.upstream.url(f"{GRAPH_VERSION}/{line}/media")
    response = await gateway.upstream.open("POST", url, headers=headers, body=file)
    if file.fault:
        if isinstance(response, aiohttp.ClientResponse):
            response.close()
        raise file.fault
    status, answer = await _changed(gateway, change, response)
    if status != 200 or not isinstance(answer.get("id"), str):  # noqa: PLR2004 - HTTP
        return _failed(status, answer)
    return errors.json({"media": [{"id": answer["id"]}], "meta": errors.META})


async def fetch(request: web.Request) -> web.StreamResponse:
    """GET a file: its bytes."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.SEND, others=(Scope.CONTENT,))
    line = _line(gateway, caller)
    if kept := await _from_vault(request, line):
        return kept
    about = await _about(gateway, request.match_info["media"], line)
    url = about.get("url")
    if not isinstance(url, str) or not gateway.upstream.keeps_media(url):
        return _failed(404, {})
    response = await gateway.upstream.open(
        request.method, URL(url, encoded=True), headers=relay.asked(request)
    )
    if isinstance(response, NotSent | Lost):
        return answers.not_reached("/v1/")
    if response.status >= 300:  # noqa: PLR2004 - HTTP
        response.release()
        return _failed(response.status, {})
    return await relay.stream(request, response)


async def _from_vault(request: web.Request, line: str) -> web.StreamResponse | None:
    """The file where it was kept; None where it is WhatsApp's to answer."""
    gateway = request.app[GATEWAY]
    if gateway.vault is None:
        return None
    found = await gateway.vault.find(media_key(gateway.log.ids, request.match_info["media"]))
    if found is None or found.line != line:
        return None
    if isinstance(found, Forgotten):
        return media.forgotten(request)
    return await serving.stream(request, gateway.vault, found)


async def delete(request: web.Request) -> web.StreamResponse:
    """DELETE a file."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.SEND)
    line = _line(gateway, caller)
    await _about(gateway, request.match_info["media"], line)
    change = _change(request, caller, line)
    await change.begin(gateway, {})
    url = gateway.upstream.url(f"{GRAPH_VERSION}/{request.match_info['media']}")
    url = url.with_query({"phone_number_id": line})
    status, answer = await _changed(gateway, change, await gateway.upstream.open("DELETE", url, headers={}))
    return errors.json({"meta": errors.META}) if status == 200 else _failed(status, answer)  # noqa: PLR2004 - HTTP


async def _about(gateway: Gateway, media_id: str, line: str) -> dict[str, Any]:
    """What WhatsApp says of a media file of the line. Raises ProblemError where the id names none."""
    outcome = await gateway.upstream.get(f"{GRAPH_VERSION}/{media_id}", {"phone_number_id": line})
    if not isinstance(outcome, Answered):
        raise errors.ProblemError(answers.not_reached("/v1/"))
    about = _object(outcome.body)
    if outcome.status != 200:  # noqa: PLR2004 - HTTP
        raise errors.ProblemError(_failed(outcome.status, about))
    if "mime_type" not in about:
        raise errors.ProblemError(_failed(404, {}))
    return about


class _File:
    """The body as the only file of a multipart form, made while it arrives."""

    def __init__(self, request: web.Request) -> None:
        boundary = uuid4().hex
        kind = request.headers.get(hdrs.CONTENT_TYPE, "application/octet-stream").encode("utf-8", "replace")
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.fault: web.HTTPException | None = None
        """Why the upload was broken off."""
        self._content = request.content
        bodies.is_file(request)
        field = f'--{boundary}\r\nContent-Disposition: form-data; name="'.encode()
        self._before = b"".join(
            [
                *(field, b'messaging_product"\r\n\r\nwhatsapp\r\n'),
                *(field, b'type"\r\n\r\n', kind, b"\r\n"),
                *(field, b'file"; filename="file"\r\nContent-Type: ', kind, b"\r\n\r\n"),
            ]
        )
        self._after = f"\r\n--{boundary}--\r\n".encode()
        given = relay.length_of(request)
        if given is not None and given > LIMIT:
            raise web.HTTPRequestEntityTooLarge(LIMIT, given)
        self.length = None if given is None else len(self._before) + given + len(self._after)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._before
        try:
            async for chunk in self._content.iter_any():
                if self._content.total_bytes > LIMIT:
                    raise web.HTTPRequestEntityTooLarge(LIMIT)
                yield chunk
        except web.HTTPException as fault:
            self.fault = fault
            raise
        yield self._after


def _line(gateway: Gateway, caller: ApiKey) -> str:
    line = onprem.line_of(gateway, caller)
    if line is None:
        raise errors.ProblemError(onprem.lineless(gateway, caller))
    return line


def _change(request: web.Request, caller: ApiKey, line: str) -> Change:
    account = account_of(request.app[GATEWAY])
    return Change(uuid4(), "media", request.method, caller, account, line, request.path)


async def _changed(gateway: Gateway, change: Change, response: Response) -> tuple[int, dict[str, Any]]:
    """WhatsApp's answer, recorded. Raises ProblemError where there is none."""
    if isinstance(response, NotSent):
        raise errors.ProblemError(answers.not_reached("/v1/"))
    try:
        if isinstance(response, Lost):
            raise errors.ProblemError(_lost())
        async with response:
            answer = await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise errors.ProblemError(_lost()) from None
    await change.end(gateway, response.status, answer)
    return response.status, _object(answer)


def _failed(status: int, answer: dict[str, Any]) -> web.Response:
    """WhatsApp's error in the old dialect; what it does not know is 404 there."""
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    if status == 404 or (code == 100 and error.get("error_subcode") == 33):  # noqa: PLR2004 - Graph's words
        return errors.onprem(404, 1006, "Resource not found", details="WhatsApp has no such media file.")
    theirs = cloud_to_onprem(code) if isinstance(code, int) else 1000
    details = error.get("message")
    title = onprem.TITLES.get(theirs, "Generic error")
    status = 500 if theirs in (500, 1000) else 400
    return errors.onprem(status, theirs, title, details=details if isinstance(details, str) else title)


def _lost() -> web.Response:
    details = "WhatsApp's answer was lost: the change may have been made."
    return errors.onprem(500, 1000, "Generic error", details=details)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
