"""The tables that bills are made of, as of any position of the log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from domain.events import Recorded
from gateway.store.postgres import Pool
from gateway.store.tail import Tail
from projections.billing import Billing
from projections.counts import CountsProjection
from projections.rows import Connection

SCRATCH: Final = "pg_temp"
PAGE: Final = 2_000
"""Events folded in one go."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The tables as of a position."""

    db: Connection
    billing: Billing
    as_of: int
    unread: int
    """Events up to there that could not be folded."""


class Standings:
    """Where a bill may stand: the tables that serve, or the log folded once more for it."""

    def __init__(self, pool: Pool, schema: str) -> None:
        """`schema`: the log's."""
        self._pool = pool
        self._schema = schema
        self._log = Tail(pool, schema)
        self._rebuilding = asyncio.Lock()
        """One rebuild at a time: each holds a connection and needs another."""

    @contextlib.asynccontextmanager
    async def at(self, as_of: int | None) -> AsyncIterator[Standing]:
        """The tables as of now, or of an older position, in one snapshot for as long as it is open."""
        live = Billing(self._schema)
        async with (
            self._pool.acquire() as db,
            db.transaction(isolation="repeatable_read", readonly=True),
        ):
            position = await live.as_of(db)
            unread = await live.unread(db, position if as_of is None else as_of)
            if as_of is None or as_of == position:
                yield Standing(db, live, position, unread)
                return
        async with self._rebuilding, self._pool.acquire() as db, _undone(db):
            yield Standing(db, Billing(SCRATCH), await self._fold(db, as_of), unread)

    async def _fold(self, db: Connection, upto: int) -> int:
        """Fold the log up to a position into tables of this session; where that is."""
        await db.execute(CountsProjection.ddl(SCRATCH))
        counts, position = CountsProjection(SCRATCH), 0
        while position < upto:
            page = [item for item in await self._log.after(position, PAGE) if item.position <= upto]
            if not page:
                break
            await counts.fold(db, [item for item in page if isinstance(item, Recorded)])
            position = page[-1].position
        return position


@contextlib.asynccontextmanager
async def _undone(db: Connection) -> AsyncIterator[None]:
    """A transaction that leaves nothing, and a session that forgets what it learned of its tables."""
    transaction = db.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()
        await db.reload_schema_state()
