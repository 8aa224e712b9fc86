"""Deliver again, on an operator's order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from domain.destinations.asked import NoDestinationError
from domain.destinations.model import Destination
from gateway.destinations.changes import Changes
from gateway.store.destinations import DestinationTable
from gateway.store.log import Log
from gateway.store.moments import recorded_by
from gateway.store.postgres import Pool


class Redelivery:
    """Orders to deliver again; the lanes obey them (`back_to`, docs/decisions.md)."""

    def __init__(
        self,
        log: Log,
        pool: Pool,
        table: DestinationTable,
        changes: Changes,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._log = log
        self._pool = pool
        self._table = table
        self._changes = changes
        self._clock = clock

    async def everything(self, one: Destination, *, after: int, caller: str) -> int:
        """Deliver everything after a position again, in order; how many events are looked at.

        Raises NoDestinationError (from) where the log does not reach as far.
        """
        head = await self._log.head()
        if after > head:
            raise NoDestinationError("from", f"a position of the log from 1 to {head + 1}")
        async with self._pool.acquire() as db, db.transaction():
            await self._table.one(db, one.id, lock=True)
            await self._table.go_back(db, one.id, after=after)
        await self._changes.tell(one, "redelivered", caller, position=after + 1)
        return head - after

    async def failed(self, one: Destination, *, caller: str) -> int:
        """Try the dead letters again; how many there were."""
        async with self._pool.acquire() as db, db.transaction():
            await self._table.one(db, one.id, lock=True)
            count = await self._table.revive(db, one.id, self._clock())
        await self._changes.tell(one, "redelivered", caller)
        return count

    async def position_before(self, at: datetime) -> int:
        """The last position that was recorded before a time."""
        return await recorded_by(at - timedelta(microseconds=1), self._log)
