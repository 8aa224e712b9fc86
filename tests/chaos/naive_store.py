"""An event store as many are: positions from an identity column, and no lock. It loses events."""

from __future__ import annotations

from gateway.store.postgres import Connection, Pool


class Naive:
    """A position is drawn when an event is inserted, and seen when its transaction commits."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def make(self) -> None:
        """Make its table."""
        await self._pool.execute(
            "create table naive_events (position bigint generated always as identity primary key, data text)"
        )

    async def append(self, db: Connection) -> int:
        """Append one event in the caller's transaction; its position."""
        insert = "insert into naive_events (data) values ('{}') returning position"
        return int(await db.fetchval(insert))

    async def after(self, position: int) -> list[int]:
        """The positions after that one, in order."""
        rows = await self._pool.fetch(
            "select position from naive_events where position > $1 order by position", position
        )
        return [row["position"] for row in rows]
