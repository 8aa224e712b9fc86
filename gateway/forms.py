"""Bodies on their way to WhatsApp: without the caller's own secrets, and files without being held."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import BodyPartReader, MultipartReader, web

from domain.inbound import wire
from gateway import relay
from gateway.allowed import OVERRIDES, SECRETS, Passage

CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Whole:
    """A small body, read to its end. `fields` are its parameters."""

    data: bytes
    content_type: str
    fields: dict[str, Any]


def whole(data: bytes, content_type: str) -> Whole:
    """A JSON or form body without the caller's secrets; byte for byte as it came when it has none.

    Raises HTTPBadRequest that says what would be right.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not data:
        return Whole(b"", "", {})
    if kind == "application/x-www-form-urlencoded":
        return _form(data, content_type)
    if kind in ("application/json", "application/octet-stream", ""):
        return _json(data)
    raise web.HTTPBadRequest(text=f"Content-Type {kind} is not passed on here: send application/json.")


def _json(data: bytes) -> Whole:
    try:
        body = wire.load(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object.")
    _refuse_overrides(body)
    kept = {name: value for name, value in body.items() if name not in SECRETS}
    written = data if len(kept) == len(body) else json.dumps(kept).encode()
    return Whole(written, "application/json", kept)


def _form(data: bytes, content_type: str) -> Whole:
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True)
    except ValueError:
        raise web.HTTPBadRequest(text="The body is not a form.") from None
    _refuse_overrides(dict(pairs))
    kept = [(name, value) for name, value in pairs if name not in SECRETS]
    return Whole(urlencode(kept).encode() if len(kept) < len(pairs) else data, content_type, dict(kept))


def _refuse_overrides(fields: dict[str, Any]) -> None:
    for name in OVERRIDES & fields.keys():
        raise web.HTTPForbidden(text=f"The parameter {name!r} is not passed on: use the method and path.")


class Form:
    """A multipart form, read while it is sent on.

    It has the length it came with, as WhatsApp may not take an upload of unknown length: where a secret was
    taken out, spaces fill the epilogue, which every reader of multipart skips (RFC 2046, section 5.1.1).
    """

    def __init__(self, request: web.Request, passage: Passage) -> None:
        """Raises HTTPRequestEntityTooLarge and HTTPBadRequest for what can be told beforehand."""
        self.content_type = request.headers["Content-Type"]
        self.length = relay.length_of(request)
        self.fault: web.HTTPException | None = None
        """Why the upload was broken off."""
        self._content = request.content
        self._limit = passage.limit
        self._boundary = _boundary(self.content_type)
        try:
            self._reader = MultipartReader(request.headers, request.content)
        except ValueError:
            raise web.HTTPBadRequest(text="Content-Type multipart/form-data has no boundary.") from None
        if self.length is not None and self.length > self._limit:
            raise web.HTTPRequestEntityTooLarge(self._limit, self.length)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The form's bytes. What breaks it off stands in `fault` afterwards."""
        sent = 0
        try:
            async for chunk in self._kept():
                self._check_size()
                sent += len(chunk)
                yield chunk
            self._check_size()
        except web.HTTPException as fault:
            self.fault = fault
            raise
        except ValueError:
            self.fault = web.HTTPBadRequest(text="The body is not a multipart form.")
            raise
        for gap in range((self.length or 0) - sent, 0, -CHUNK):
            yield b" " * min(gap, CHUNK)

    async def _kept(self) -> AsyncIterator[bytes]:
        while (part := await self._reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise web.HTTPBadRequest(text="A form inside the form is not passed on.")
            if part.name in OVERRIDES:
                _refuse_overrides({part.name: None})
            if part.name in SECRETS:
                await part.release()
                continue
            yield b"--" + self._boundary + b"\r\n" + _head(part) + b"\r\n"
            while chunk := await part.read_chunk(CHUNK):
                yield bytes(chunk)
            yield b"\r\n"
        yield b"--" + self._boundary + b"--"

    def _check_size(self) -> None:
        if self._content.total_bytes > self._limit:
            raise web.HTTPRequestEntityTooLarge(self._limit, self._content.total_bytes)


def _head(part: BodyPartReader) -> bytes:
    # No blank behind the colon: so no header gets longer than it came.
    lines = (f"{name}:{value}\r\n" for name, value in part.headers.items())
    return "".join(lines).encode("utf-8", "surrogateescape")


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["Content-Type"] = content_type
    return str(header.get_param("boundary")).encode()
