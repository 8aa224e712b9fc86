"""Follow a log: pages after a position, and waiting for more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg

from domain.events import Recorded, Undecodable
from gateway.store.postgres import DATABASE_GONE, Pool, Postgres, connect

POLL: Final = 2.0
"""Seconds after which a follower looks without a hint."""
RECENT: Final = 5_000
"""Events kept in memory, decoded, so that several followers at the head read each of them once."""
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries to listen again."""
ALIVE_EVERY: Final = 15.0
"""Seconds between two proofs that the connection for hints is alive: silence alone says nothing."""
ALIVE_WITHIN: Final = 5.0
"""Seconds that a proof may take; then the connection counts as lost."""

_log = logging.getLogger(__name__)


class Tail:
    """A reader of the log (projections/runner.py, `Reader`) for any number of followers.

    The hint (NOTIFY) is only a hint: without it a follower looks after the poll interval.
    """

    def __init__(self, pool: Pool, schema: str, *, poll: float = POLL) -> None:
        """Reads over `pool` and listens to nobody; use `open` for a tail with hints."""
        self._log = Postgres(pool, schema)
        self._recent: deque[Recorded | Undecodable] = deque(maxlen=RECENT)
        self._reading = asyncio.Lock()
        self._begun = 0
        self._complete = 0
        """The newest of the reads begun that came to the end of the log."""
        self._poll = poll
        self._hints = 0
        self._hinted = asyncio.Event()
        self._seen: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, pool: Pool, schema: str, *, poll: float = POLL) -> AsyncIterator[Tail]:
        """A tail with hints, over a connection of its own to `url` (which must not be a pooler's)."""
        tail = cls(pool, schema, poll=poll)
        listening = asyncio.create_task(tail._listen(url, schema))
        try:
            yield tail
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    async def after(self, position: int, limit: int) -> list[Recorded | Undecodable]:
        """At most `limit` events in order, from the first after `position`. A hole raises HoleError."""
        asked = self._begun
        async with self._reading:
            known = self._known(position, limit)
            if known is None and position > self._recent[-1].position:
                # What is in memory was read by somebody far behind: the memory is for those at the head.
                if news := await self._log.after(position, limit):
                    self._recent.clear()
                    self._recent.extend(news)
                return news
            # A read that began after this call, and came to the end, has seen all that this one would see.
            is_complete = bool(self._recent) and self._complete > asked
            if known is not None and len(known) < limit and not is_complete:
                known += await self._news(known[-1].position if known else position, limit - len(known))
        return await self._log.after(position, limit) if known is None else known

    async def _news(self, position: int, limit: int) -> list[Recorded | Undecodable]:
        self._begun += 1
        news = await self._log.after(position, limit)
        self._recent.extend(news)
        if len(news) < limit:
            self._complete = self._begun
        return news

    def _known(self, position: int, limit: int) -> list[Recorded | Undecodable] | None:
        """The events after a position that are in memory already; None when its successor was dropped."""
        if not self._recent:
            return []
        start = position + 1 - self._recent[0].position
        if start < 0 or start > len(self._recent):
            return None
        return list(islice(self._recent, start, start + limit))

    async def head(self) -> int:
        """The last position; 0 when the log is empty."""
        return await self._log.head()

    async def events_at(self, positions: Sequence[int]) -> list[Recorded | Undecodable]:
        """The events at these positions, in order; positions that don't exist are left out."""
        return await self._log.events_at(positions)

    async def wait(self) -> None:
        """Return on a hint that this task has not seen yet, or after the poll interval."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("wait() is for tasks")
        if self._seen.get(task, 0) == self._hints:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._hinted.wait()
        self._seen[task] = self._hints

    def _hint(self) -> None:
        self._hints += 1
        self._hinted.set()
        self._hinted = asyncio.Event()

    async def _listen(self, url: str, schema: str) -> None:
        pause = 0.1
        while True:
            try:
                log_id, _ = await self._log.identity()
                await self._hear(url, schema, log_id)
                pause = 0.1
            except (asyncpg.PostgresError, *DATABASE_GONE) as error:
                _log.warning("no hints from the log: %s", type(error).__name__)
            # A server that was failed over or restored may give positions again to other events.
            self._recent.clear()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _hear(self, url: str, schema: str, log_id: UUID) -> None:
        """Listen until the connection is lost."""
        connection = await connect(url, schema)
        lost = asyncio.Event()

        def heard(_connection: object, _pid: int, _channel: str, payload: object) -> None:
            if payload in {str(log_id), ""}:  # "": the library's own recorders name no log
                self._hint()

        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener("stored_events", heard)
            self._hint()  # whatever came before is looked at now
            while not await _happens(lost, ALIVE_EVERY):
                await connection.execute("select 1", timeout=ALIVE_WITHIN)
        finally:
            connection.terminate()


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
