"""The race that loses events, run against a naive store and against ours.

A position that is drawn early and committed late is passed by whoever follows the positions. Run it as
`.venv/bin/python -m tests.chaos.race`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from itertools import chain, cycle
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import asyncpg

from gateway.store.embedded import Embedded
from gateway.store.migrate import migrate
from gateway.store.outcomes import Draft
from gateway.store.postgres import Connection, Pool, Postgres, append_together, connect_pool
from tests.chaos.naive_store import Naive

SCHEMA = "ledgerline"
WRITERS = 8
APPENDS = 60


class Store(Protocol):
    """What the race needs of a store."""

    async def append(self, db: Connection) -> int:
        """Append one event in the caller's transaction; its position."""

    async def after(self, position: int) -> list[int]:
        """The positions after that one, in order."""


Append = Callable[[Connection], Awaitable[int]]


async def by_group(db: Connection) -> int:
    """As the writer appends."""
    append = "select positions from ledgerline.append_events_1(0, $1, $2, $3, $4, $5, $6)"
    [position] = await db.fetchval(append, [uuid4()], [None], ["topic"], [b"{}"], [uuid4()], [1])
    return int(position)


async def together(db: Connection) -> int:
    """As a transaction appends that does something else as well."""
    [appended] = await append_together(db, SCHEMA, [Draft(uuid4(), "topic", b"{}", uuid4(), 1)])
    return appended.position


class Ours:
    """The log's own functions, by turns."""

    def __init__(self, pool: Pool, *ways: Append) -> None:
        self._reader = Postgres(pool, SCHEMA)
        self._ways = cycle(ways)

    async def append(self, db: Connection) -> int:
        """Append one event in the caller's transaction; its position."""
        return await next(self._ways)(db)

    async def after(self, position: int) -> list[int]:
        """The positions after that one, in order."""
        return [one.position for one in await self._reader.after(position, 1_000)]


class Follower:
    """Reads what is after the last position it saw, as every projection and every feed does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seen: list[int] = []

    async def look(self) -> None:
        """Read once."""
        self.seen += await self._store.after(self.seen[-1] if self.seen else 0)


@dataclass(frozen=True)
class Run:
    """What was committed, and what the follower saw of it."""

    committed: list[int]
    seen: list[int]

    @property
    def lost(self) -> list[int]:
        """Committed positions that no follower will ever see."""
        return sorted(set(self.committed) - set(self.seen))


async def forced(store: Store, url: str) -> Run:
    """One writer appends and does not commit yet; another one appends and commits, if it can; then a look."""
    follower = Follower(store)
    async with AsyncExitStack() as stack:
        slow, quick, watch = [await _connected(stack, url) for _ in range(3)]
        late = slow.transaction()
        await late.start()
        committed = [await store.append(slow)]
        appending = asyncio.create_task(_append(store, quick))
        pid = quick.get_server_pid()
        waits = "select pg_blocking_pids($1) <> '{}'"
        while not appending.done() and not await watch.fetchval(waits, pid):
            pass
        await follower.look()
        await late.commit()
        committed.append(await appending)
        await follower.look()
    return Run(committed, follower.seen)


async def crowded(store: Store, url: str, *, writers: int = WRITERS, appends: int = APPENDS) -> Run:
    """Parallel writers that do one thing more after each append, and a follower that never rests."""
    follower = Follower(store)

    async def write(db: Connection) -> list[int]:
        return [await _append(store, db) for _ in range(appends)]

    async def follow() -> None:
        while True:
            await follower.look()

    async with AsyncExitStack() as stack:
        connections = [await _connected(stack, url) for _ in range(writers)]
        following = asyncio.create_task(follow())
        written = await asyncio.gather(*map(write, connections))
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await follower.look()
    return Run([*chain.from_iterable(written)], follower.seen)


async def _append(store: Store, db: Connection) -> int:
    async with db.transaction():
        position = await store.append(db)
        await db.execute("select 1")
    return position


async def _connected(stack: AsyncExitStack, url: str) -> asyncpg.Connection[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    stack.push_async_callback(connection.close)
    return connection


async def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="ledgerline-race-") as folder:
        server = await Embedded.start(Path(folder), say=lambda _: None)
        try:
            await migrate(server.url, SCHEMA)
            async with asyncpg.create_pool(server.url) as pool, connect_pool(server.url, SCHEMA) as serving:
                naive = Naive(pool)
                await naive.make()
                for name, store in (("naive", naive), ("ours", Ours(serving, by_group, together))):
                    for run in (await forced(store, server.url), await crowded(store, server.url)):
                        print(f"{name:6} {len(run.committed):5} committed, {len(run.lost):4} never seen")
        finally:
            await server.stop()


if __name__ == "__main__":
    asyncio.run(_main())
