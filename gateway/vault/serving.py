"""A kept file as an answer over HTTP: whole or in part, never as something a browser would run."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote

from aiohttp import hdrs, web

from gateway import errors
from gateway.gateway import GATEWAY, Gateway
from gateway.logs import get_logger
from gateway.vault.sealed import DamagedError
from gateway.vault.store import MissingError, StoreError
from gateway.vault.vault import Kept, Vault

OCTETS: Final = "application/octet-stream"
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_KIND: Final = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}( ?; ?[\w.+-]{1,50}=[\w.+-]{1,50})*", re.ASCII)
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f/\\"%*:<>?|\u202a-\u202e\u2066-\u2069\ud800-\udfff]')


def about(kept: Kept, url: str) -> dict[str, Any]:
    """What Graph says of a media id."""
    return {
        "messaging_product": "whatsapp",
        "url": url,
        "mime_type": kept.mime_type,
        "sha256": kept.sha256,
        "file_size": str(kept.size),
        "id": kept.media_id,
    }


async def stream(request: web.Request, vault: Vault, kept: Kept) -> web.StreamResponse:
    """The file, or the part of it that Range names (RFC 9110, section 14); 304 and 416 where they are due."""
    headers = _headers(kept)
    if _matches(request.headers.get(hdrs.IF_NONE_MATCH), headers[hdrs.ETAG]):
        return web.Response(status=304, headers=headers)
    part = _part(request, kept, headers[hdrs.ETAG])
    if part is not None and part.start >= part.stop:
        refusal = errors.in_dialect(request.path, 416, f"The file has {kept.size} bytes: no such range.")
        refusal.headers[hdrs.CONTENT_RANGE] = f"bytes */{kept.size}"
        return refusal
    answer = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    part = range(kept.size) if part is None else part
    if answer.status == 206:  # noqa: PLR2004 - HTTP
        answer.headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{kept.size}"
    answer.content_length = len(part)
    stop = min(part.start + 1, part.stop) if request.method == hdrs.METH_HEAD else part.stop
    async with aclosing(vault.read(kept, part.start, stop)) as pieces:
        return await _send(request, answer, pieces)


async def _send(
    request: web.Request, answer: web.StreamResponse, pieces: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    gateway = request.app[GATEWAY]
    try:
        first = await anext(pieces, b"")
    except (StoreError, DamagedError) as error:
        return _broken(request, gateway, error)
    await answer.prepare(request)
    if request.method == hdrs.METH_HEAD:  # its answer is the one of GET, without the body
        return answer
    try:
        await answer.write(first)
        async for piece in pieces:
            await answer.write(piece)
        await answer.write_eof()
    except (StoreError, DamagedError) as error:
        _broken(request, gateway, error)
        # Begun and not to be ended: only a broken connection tells the caller that it isn't all.
        if request.transport is not None:
            request.transport.abort()
    return answer


def _broken(request: web.Request, gateway: Gateway, error: StoreError | DamagedError) -> web.Response:
    cause = error.cause if isinstance(error, StoreError) else "Damaged"
    gateway.metrics.media.labels("broken", cause).inc()
    get_logger().error("a kept file can't be read", cause=cause)
    if isinstance(error, MissingError):
        return errors.in_dialect(request.path, 404, "The media vault has this file no more.")
    if isinstance(error, DamagedError):
        return errors.in_dialect(request.path, 500, "The file is damaged in the media vault.")
    return errors.in_dialect(request.path, 503, "The media vault does not answer.", retry_after=5)


def _headers(kept: Kept) -> dict[str, str]:
    return {
        hdrs.CONTENT_TYPE: kept.mime_type if _KIND.fullmatch(kept.mime_type) else OCTETS,
        hdrs.CONTENT_DISPOSITION: _disposition(kept.filename),
        hdrs.ETAG: f'"{kept.sha256}"',
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }


def _disposition(filename: str | None) -> str:
    """Always a file to save, under the sender's name for it as far as that is harmless."""
    name = _UNSAFE.sub("_", filename or "").strip(" .")[:150]
    if not name:
        return "attachment"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _matches(given: str | None, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in (given or "").split(",")]
    return "*" in tags or etag in tags


def _part(request: web.Request, kept: Kept, etag: str) -> range | None:
    """The bytes asked for, none of which may be there; None for all: several ranges are not served apart."""
    match = _RANGE.fullmatch(request.headers.get(hdrs.RANGE, ""))
    if match is None or match[0] == "bytes=-" or request.headers.get(hdrs.IF_RANGE, etag) != etag:
        return None
    first, last = match[1], match[2]
    if not first:
        return range(max(kept.size - int(last), 0), kept.size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, kept.size) if last else kept.size)
