"""A follower of the feed: it comes back with the last id it saw, to whichever gateway there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import aiohttp
from running import until


class Place(Protocol):
    """Where a feed is."""

    @property
    def url(self) -> str: ...

    @property
    def http(self) -> aiohttp.ClientSession: ...


class Follower:
    """Sees every event once and in order, or fails."""

    def __init__(self, place: Callable[[], Place]) -> None:
        self._place = place
        self.last = 0
        self.streams = 0

    @asynccontextmanager
    async def following(self) -> AsyncIterator[asyncio.Task[None]]:
        """It follows while the block runs; what it saw wrong is raised at the end."""
        task = asyncio.create_task(self._follow())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def sees(self, head: int) -> None:
        """Follow until it has seen the log up to there."""
        async with self.following() as task:

            async def has() -> bool:
                return task.done() or self.last >= head

            await until(has, 60)
        assert self.last >= head

    async def _follow(self) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                await self._stream(self._place())
            await asyncio.sleep(0.05)

    async def _stream(self, place: Place) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self.last)}
        forever = aiohttp.ClientTimeout(total=None)
        async with place.http.get(f"{place.url}/api/events", headers=headers, timeout=forever) as feed:
            assert feed.status in (200, 503)
            self.streams += 1
            async for line in feed.content:
                if line.startswith(b"id:"):
                    assert int(line[3:]) == self.last + 1
                    self.last += 1
