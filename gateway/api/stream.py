"""The feed as server-sent events.

Each reader pulls: a page of the log is read when the page before it went out, so that a slow reader delays
itself only, and holds one page.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import hdrs, web

from domain.events import Recorded, Undecodable
from gateway import errors
from gateway.api import query, views
from gateway.auth import ApiKey
from gateway.gateway import GATEWAY, Gateway
from gateway.logs import get_logger, where

EVENT_STREAM: Final = "text/event-stream"
PAGE: Final = 100
"""Events a stream reads at once."""
REST: Final = 0.1
"""Seconds that a stream at the log's end lets events gather."""
BEAT: Final = 15.0
"""Seconds between two comments: they keep proxies from closing a quiet stream."""
STUCK: Final = 60.0
"""Seconds after which a reader that takes nothing is given up; it may resume."""
SEND_BUFFER: Final = 128 * 1024
"""Bytes the kernel may hold for a reader: left to itself it takes megabytes that nobody may ever read."""
PIECE: Final = 64 * 1024
"""Bytes written at once: a reader has STUCK seconds for each piece, however long its page."""
MAX_STREAMS: Final = 200
RETRY_AFTER: Final = "30"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a reader asked for and may see; an empty set: any."""

    topics: frozenset[str]
    lines: frozenset[str]

    def among(self, page: Iterable[Recorded | Undecodable]) -> list[Recorded]:
        """Those of a page."""
        return [one for one in page if isinstance(one, Recorded) and self._has(one)]

    def _has(self, one: Recorded) -> bool:
        topic, line = one.event.TOPIC, one.event.line
        return (not self.topics or topic in self.topics) and (not self.lines or line in self.lines)


def is_asked_for(request: web.Request) -> bool:
    """Whether the caller takes server-sent events."""
    kinds = request.headers.get(hdrs.ACCEPT, "").lower().split(",")
    return request.method == hdrs.METH_GET and EVENT_STREAM in {
        kind.partition(";")[0].strip() for kind in kinds
    }


async def serve(request: web.Request, caller: ApiKey, wanted: Wanted) -> web.StreamResponse:
    """GET /api/events with Accept: text/event-stream; ends when its reader leaves or the gateway stops."""
    gateway = request.app[GATEWAY]
    after = query.last_event_id(request)
    if len(gateway.streams) >= MAX_STREAMS:
        detail = f"{MAX_STREAMS} streams are open; come again, or read the same events page by page."
        busy = errors.problem(503, "too-many-streams", detail, headers={"Retry-After": RETRY_AFTER})
        raise errors.ProblemError(busy)
    answer = web.StreamResponse(
        headers={
            "Ledgerline-Log": str(gateway.log.log_id),
            hdrs.CONTENT_TYPE: EVENT_STREAM,
            hdrs.CACHE_CONTROL: "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    # A task of its own, so that a shutdown ends it and the request still ends in order.
    reader = _Reader(request, answer, caller.name)
    following = asyncio.create_task(_follow(reader, gateway, caller, wanted, after))
    gateway.streams.add(following)
    try:
        await asyncio.wait([following])
    finally:
        following.cancel()
        gateway.streams.discard(following)
        _cut_off(request)
    return answer


async def _follow(reader: _Reader, gateway: Gateway, caller: ApiKey, wanted: Wanted, after: int) -> None:
    """Write what is there and what comes, until the reader leaves or takes nothing for long."""
    try:
        await reader.begin()
        while reader.is_there:
            page = await gateway.tail.after(after, PAGE)
            if found := wanted.among(page):
                await reader.write(_written(found, await views.events(gateway, found, caller)))
            if page:
                after = page[-1].position
            if len(page) < PAGE:
                await reader.rest(gateway.tail.wait())
            await reader.beat()
    except _LostError:
        return
    except Exception as error:  # noqa: BLE001 - its answer has begun: it can only end, and be logged
        get_logger().warning("a stream ends", error=type(error).__name__, where=where(error))


class _LostError(Exception):
    """A reader left, or takes nothing."""


class _Reader:
    """Who reads a stream."""

    def __init__(self, request: web.Request, answer: web.StreamResponse, name: str) -> None:
        """`name`: of its API key."""
        self._request = request
        self._name = name
        self._answer = answer
        self._beat_at = asyncio.get_running_loop().time() + BEAT

    @property
    def is_there(self) -> bool:
        """Whether its connection is open."""
        transport = self._request.transport
        return transport is not None and not transport.is_closing()

    async def begin(self) -> None:
        """Send the headers, and a first comment that brings them on their way."""
        if self._request.transport is not None:
            connection = self._request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        await self._answer.prepare(self._request)
        await self.write(_COMMENT)

    async def write(self, chunk: bytes) -> None:
        """Write, waiting for as long as the reader is behind. Raises _LostError."""
        for start in range(0, len(chunk), PIECE):
            try:
                async with asyncio.timeout(STUCK):
                    await self._answer.write(chunk[start : start + PIECE])
            except TimeoutError:
                get_logger().warning("a reader of the feed takes nothing", caller=self._name)
                raise _LostError from None
            except ConnectionError:
                raise _LostError from None

    async def rest(self, news: Coroutine[Any, Any, None]) -> None:
        """Wait for news, no longer than to the next comment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._beat_at):
                await news
                await asyncio.sleep(REST)

    async def beat(self) -> None:
        """Write a comment when it is time, and let others run."""
        now = asyncio.get_running_loop().time()
        if now < self._beat_at:
            await asyncio.sleep(0)
            return
        await self.write(_COMMENT)
        self._beat_at = now + BEAT


_COMMENT: Final = b":\n"
"""Without an empty line after it: some clients take one for an event."""


def _written(found: Sequence[Recorded], views: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n" % (one.position, one.event.TOPIC.encode(), errors.written(view))
        for one, view in zip(found, views, strict=True)
    )


def _cut_off(request: web.Request) -> None:
    """Close on a reader that has not taken everything: the end of the answer would wait for it."""
    transport = request.transport
    if isinstance(transport, asyncio.WriteTransport) and transport.get_write_buffer_size():
        transport.abort()
