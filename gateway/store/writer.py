"""Group commit: callers put their drafts in a queue, one task appends whatever waits in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import asyncpg

from gateway.store.batch import Call, Chunk, Item, chunks_of, items_of, take
from gateway.store.outcomes import Appended, Conflict, Draft, Duplicate, InDoubt, NotTaken, Outcome, Stale
from gateway.store.postgres import DATABASE_GONE, STATEMENT_TIMEOUT, Pool, connect
from projections.sql import load

QUEUE_ITEMS: Final = 20_000
QUEUE_BYTES: Final = 64 * 1024 * 1024
"""How much may wait; more is not taken."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
"""Seconds between two tries to connect, or to send a batch again."""
HINT_PAUSE: Final = 0.01
"""Seconds between two hints to the followers."""
DRAIN: Final = 30.0
"""Seconds that a stop waits for a database that does not answer."""

_log = logging.getLogger(__name__)


class Writer:
    """Appends to one log; one for each process and log."""

    def __init__(self, url: str, pool: Pool, schema: str) -> None:
        """`url`: of its own connection; `pool`: over which it hints to followers. Use `open`."""
        self._url = url
        self._pool = pool
        self._schema = schema
        self._sql = load("gateway.store", "queries.sql", schema)
        self._queue: deque[Chunk] = deque()
        self._items = 0
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._committed = asyncio.Event()
        self._closing = False
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, pool: Pool, schema: str) -> AsyncIterator[Writer]:
        """A running writer; at the end it appends what it has taken, and stops."""
        writer = cls(url, pool, schema)
        tasks = [asyncio.create_task(writer._run()), asyncio.create_task(writer._hint())]
        try:
            yield writer
        finally:
            await writer._stop(*tasks)

    @property
    def waiting(self) -> int:
        """Drafts in the queue."""
        return self._items

    async def append(self, drafts: Sequence[Draft], epoch: int, *, patience: float) -> list[Outcome]:
        """Append `drafts`, sealed at `epoch`, in their order; returns what became of each, after the commit.

        Up to 500 drafts are stored together or not at all, unless one key occurs twice or a draft expects a
        version of a stream that another one is for. After `patience` seconds, or when the queue is full,
        raises NotTaken (nothing is or will be stored) or InDoubt. When the caller is cancelled, its drafts
        are appended all the same.
        """
        size = sum(len(draft.state) for draft in drafts)
        if self._closing:
            raise NotTaken("the log is being closed")
        if self._items and (self._items + len(drafts) > QUEUE_ITEMS or self._bytes + size > QUEUE_BYTES):
            raise NotTaken("too much is waiting for the log")
        loop = asyncio.get_running_loop()
        call = Call(epoch, loop.create_future(), [None] * len(drafts), len(drafts))
        if not drafts:
            return []
        self._queue.extend([Chunk(call, 0, drafts, size)] if len(drafts) == 1 else chunks_of(call, drafts))
        self._items += len(drafts)
        self._bytes += size
        self._arrived.set()
        timer = loop.call_later(patience, self._give_up, call)
        try:
            return await call.answer
        finally:
            timer.cancel()

    def _give_up(self, call: Call) -> None:
        if call.answer.done():
            return
        if call.is_begun:
            answer = call.answer
            call.answer = asyncio.get_running_loop().create_future()
            call.answer.add_done_callback(_retrieve)
            answer.set_exception(InDoubt(call.answer))
            return
        mine = [chunk for chunk in self._queue if chunk.call is call]
        self._queue = deque(chunk for chunk in self._queue if chunk.call is not call)
        self._taken(mine)
        call.answer.set_exception(NotTaken("the log did not get to it in time"))

    def _taken(self, chunks: Sequence[Chunk]) -> None:
        self._items -= sum(len(chunk.drafts) for chunk in chunks)
        self._bytes -= sum(chunk.size for chunk in chunks)

    async def _run(self) -> None:
        while not (self._closing and not self._queue):
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                await self._connected()
                batch = take(self._queue)
                self._taken(batch)
                await self._store(items_of(batch))

    async def _store(self, items: Sequence[Item]) -> None:
        """Append a batch, again and again while the database is away; an item that can't be, alone fails."""
        if not items:
            return
        try:
            answers = await self._append(items)
        except asyncio.CancelledError:
            for item in items:
                self._give_up(item.call)
                item.call.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to whoever gave the item
            if len(items) == 1:
                items[0].call.fail(error)
                return
            half = len(items) // 2
            await self._store(items[:half])
            await self._store(items[half:])
            return
        self._committed.set()
        for item, outcome in zip(items, answers, strict=True):
            item.call.settle(item.place, outcome)

    async def _append(self, items: Sequence[Item]) -> Iterator[Outcome]:
        drafts = [item.draft for item in items]
        arguments = (
            items[0].call.epoch,
            [draft.stream for draft in drafts],
            [draft.expected for draft in drafts],
            [draft.topic for draft in drafts],
            [draft.state for draft in drafts],
            [draft.key for draft in drafts],
            [draft.token for draft in drafts],
        )
        row, pause = None, FIRST_PAUSE
        while row is None:
            connection = await self._connected()
            try:
                row = await connection.fetchrow(self._sql["append"], *arguments, timeout=STATEMENT_TIMEOUT)
            except DATABASE_GONE as error:
                if isinstance(error, ValueError):  # asyncpg: an argument that can't be sent
                    raise
                self._lose(connection, error)
                # A full disk lets everybody connect and nobody write.
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        epoch, outcomes, versions, positions = row
        if outcomes is None:
            return iter([Stale(epoch)] * len(items))
        return map(_outcome, outcomes, versions, positions)

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        pause = FIRST_PAUSE
        while self._connection is None or self._connection.is_closed():
            try:
                self._connection = await connect(self._url, self._schema)
            except (asyncpg.PostgresError, *DATABASE_GONE) as error:
                _log.warning("the log can't be reached: %s", type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        return self._connection

    def _lose(self, connection: asyncpg.Connection[asyncpg.Record], error: Exception) -> None:
        _log.warning("the connection to the log is lost: %s; the batch is sent again", type(error).__name__)
        self._connection = None
        connection.terminate()

    async def _hint(self) -> None:
        """Wake the followers, coalesced: a NOTIFY inside the append would hold all logs of a database."""
        while True:
            await self._committed.wait()
            self._committed.clear()
            with contextlib.suppress(*DATABASE_GONE, asyncpg.PostgresError):
                await self._pool.execute(self._sql["notify"])
            await asyncio.sleep(HINT_PAUSE)

    async def _stop(self, running: asyncio.Task[None], hinting: asyncio.Task[None]) -> None:
        self._closing = True
        self._arrived.set()
        await asyncio.wait([running], timeout=DRAIN)
        for task in (running, hinting):
            task.cancel()
        await asyncio.wait([running, hinting])
        for chunk in [*self._queue]:
            self._give_up(chunk.call)
        if self._connection is not None:
            with contextlib.suppress(*DATABASE_GONE):
                await self._connection.close()


def _outcome(outcome: str, version: int, position: int) -> Outcome:
    match outcome:
        case "appended":
            return Appended(position, version)
        case "duplicate":
            return Duplicate(position, version)
        case _:
            return Conflict(version)


def _retrieve(answer: asyncio.Future[list[Outcome]]) -> None:
    """Nobody has to wait for an answer in doubt."""
    if not answer.cancelled():
        answer.exception()
