"""Bodies on their way to WhatsApp: without the caller's own secrets, and files without being held."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import BodyPartReader, MultipartReader, hdrs, web

from domain.inbound import wire
from gateway import bodies
from gateway.passing import relay
from gateway.passing.allowed import OVERRIDES, SECRETS, Passage, meant

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
    kept = {name: value for name, value in body.items() if meant(name) not in SECRETS}
    written = data if len(kept) == len(body) else json.dumps(kept).encode()
    return Whole(written, "application/json", kept)


def _form(data: bytes, content_type: str) -> Whole:
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True)
    except ValueError:
        raise web.HTTPBadRequest(text="The body is not a form.") from None
    _refuse_overrides(name for name, _ in pairs)
    kept = [(name, value) for name, value in pairs if meant(name) not in SECRETS]
    return Whole(urlencode(kept).encode() if len(kept) < len(pairs) else data, content_type, dict(kept))


def _refuse_overrides(names: Iterable[str]) -> None:
    for name in names:
        if meant(name) in OVERRIDES:
            raise web.HTTPForbidden(text=f"The parameter {name!r} is not passed on: use the method and path.")


class Form:
    """A multipart form, read while it is sent on.

    It has the length it came with, as WhatsApp may not take an upload of unknown length: where a secret was
    taken out, spaces fill the epilogue, which every reader of multipart skips (RFC 2046, section 5.1.1).
    Boundary and names are read one way only, so that no other reader finds a part that was not seen here.
    """

    def __init__(self, request: web.Request, passage: Passage) -> None:
        """Raises HTTPRequestEntityTooLarge and HTTPBadRequest for what can be told beforehand."""
        self._boundary = _boundary(request.headers["Content-Type"])
        self.content_type = f'multipart/form-data; boundary="{self._boundary.decode()}"'
        self.length = relay.length_of(request)
        self.fault: web.HTTPException | None = None
        """Why the upload was broken off."""
        self._content = request.content
        bodies.is_file(request)
        self._limit = passage.limit
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
            name = _name(part)
            _refuse_overrides([name])
            if meant(name) in SECRETS:
                await part.release()
                continue
            yield b"--" + self._boundary + b"\r\n" + _head(part) + b"\r\n"
            async for chunk in self._content_of(part):
                yield chunk
            yield b"\r\n"
        yield b"--" + self._boundary + b"--"

    async def _content_of(self, part: BodyPartReader) -> AsyncIterator[bytes]:
        """A part's bytes. Some readers would see another part behind a bare line feed."""
        delimiter = b"\n--" + self._boundary
        seen = b""
        while chunk := await part.read_chunk(CHUNK):
            seen += chunk
            if delimiter in seen:
                raise web.HTTPBadRequest(text="A part of the form holds the form's own boundary.")
            seen = seen[1 - len(delimiter) :]
            yield bytes(chunk)

    def _check_size(self) -> None:
        if self._content.total_bytes > self._limit:
            raise web.HTTPRequestEntityTooLarge(self._limit, self._content.total_bytes)


def _head(part: BodyPartReader) -> bytes:
    # No blank behind the colon: so no header gets longer than it came.
    lines = (f"{name}:{value}\r\n" for name, value in part.headers.items())
    return "".join(lines).encode("utf-8", "surrogateescape")


def _name(part: BodyPartReader) -> str:
    """The part's only name; where readers could differ about it, raises HTTPBadRequest."""
    headers = part.headers.getall(hdrs.CONTENT_DISPOSITION, [])
    if len(headers) == 1 and _DISPOSITION.fullmatch(headers[0]):
        given = [(name.lower(), value) for name, value in _PARAMETER.findall(headers[0])]
        names = [value for name, value in given if re.match(r"name(\*|$)", name)]
        if len(names) == 1 and ("name", names[0]) in given:
            return re.sub(r"\\(.)", r"\1", names[0].strip().removeprefix('"').removesuffix('"'))
    raise web.HTTPBadRequest(text="Each part of the form needs one Content-Disposition with one name.")


_PARAMETER: Final = re.compile(r"""\s*;\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*)""")
_DISPOSITION: Final = re.compile(rf"form-data(?:{_PARAMETER.pattern})*\s*;?\s*", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["Content-Type"] = content_type
    boundary = str(header.get_param("boundary"))
    if not _PLAIN.fullmatch(boundary):
        raise web.HTTPBadRequest(text="Content-Type multipart/form-data needs a boundary (RFC 2046, 5.1.1).")
    return boundary.encode()
