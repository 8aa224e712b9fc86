"""What the deliveries keep: leases of partitions, cursors, and what is parked."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from domain.events import Recorded
from gateway.store.postgres import Pool, Postgres
from projections.sql import load

PARTITIONS: Final = 16
"""As many rows are in the table; a conversation's partition never changes."""
CONNECTIONS: Final = 3
"""To the database, for deliveries alone: whatever they wait for, callbacks and sends don't."""
LEASE: Final = timedelta(seconds=4)
"""How long a partition stays with a gateway that is not heard of."""


def partition_of(stream: UUID) -> int:
    """Which partition a conversation is in: its id is a keyed hash already."""
    return stream.int % PARTITIONS


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a destination stands in a partition."""

    partition: int
    position: int
    answers: str


@dataclass(slots=True)
class Parked:
    """An event that could not be delivered, or waits behind one."""

    position: int
    partition: int
    conversation: UUID
    attempts: int
    parked_at: datetime
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Note:
    """What happened in a partition of a destination since the note before."""

    destination: UUID
    partition: int
    position: int
    delivered: int
    skipped: int
    rate: float
    last_success: datetime | None
    answers: str


class DeliveryTables:
    """All statements of one gateway, known as `owner`."""

    def __init__(self, pool: Pool, schema: str, *, owner: UUID) -> None:
        self._pool = pool
        self._log = Postgres(pool, schema)
        self._sql = load("gateway.store", "deliveries.sql", schema)
        self._owner = owner
        # A connection is always left to renew leases, whatever else waits.
        self._small = asyncio.Semaphore(CONNECTIONS - 1)

    async def revisions(self) -> dict[UUID, int]:
        """The active destinations, and the revision of each."""
        return {row["id"]: row["revision"] for row in await self._pool.fetch(self._sql["revisions"])}

    async def renew(self) -> tuple[frozenset[int], int]:
        """The partitions that are still ours, and how many gateways share them all."""
        row = await self._pool.fetchrow(self._sql["renew"], self._owner, LEASE)
        return (frozenset(row["ours"]), row["owners"]) if row else (frozenset(), 1)

    async def take(self, count: int) -> frozenset[int]:
        """Take at most so many partitions that are nobody's."""
        rows = await self._pool.fetch(self._sql["take"], self._owner, LEASE, count)
        return frozenset(row["partition"] for row in rows)

    async def release(self, partitions: Collection[int]) -> None:
        """Leave partitions to others."""
        await self._pool.execute(self._sql["release"], self._owner, list(partitions))

    async def leave(self) -> None:
        """Count no longer among the gateways."""
        await self._pool.execute(self._sql["leave"], self._owner)

    async def cursors(self, destination: UUID, partitions: Collection[int]) -> list[Cursor]:
        """Where a destination stands in some partitions, once it went back where that was ordered."""
        async with self._small:
            await self._pool.execute(self._sql["go back"], destination, list(partitions), self._owner)
            rows = await self._pool.fetch(self._sql["cursors"], destination, list(partitions))
        return [Cursor(*row) for row in rows]

    async def parked(self, destination: UUID, partitions: Collection[int]) -> list[Parked]:
        """What waits to be tried again, in order of position."""
        async with self._small:
            rows = await self._pool.fetch(self._sql["parked"], destination, list(partitions))
        return [Parked(*row) for row in rows]

    async def advance(self, notes: Sequence[Note], now: datetime) -> None:
        """Keep what happened; of partitions that are not ours any more nothing is kept."""
        await self._execute(
            "advance",
            self._owner,
            now,
            [note.destination for note in notes],
            [note.partition for note in notes],
            [note.position for note in notes],
            [note.delivered for note in notes],
            [note.skipped for note in notes],
            [note.rate for note in notes],
            [note.last_success for note in notes],
            [note.answers for note in notes],
        )

    async def park(self, destination: UUID, one: Parked, answer: str | None) -> bool:
        """Keep an event for later; False when its partition is not ours any more."""
        values = destination, one.position, one.partition, one.conversation
        times = one.attempts, one.parked_at, one.next_at
        async with self._small:
            stored = await self._pool.fetchval(self._sql["park"], self._owner, *values, *times, answer)
        return stored is not None

    async def failed_again(self, destination: UUID, one: Parked, answer: str) -> None:
        """Keep when it is tried next."""
        await self._execute("failed again", destination, one.position, one.attempts, one.next_at, answer)

    async def bury(self, destination: UUID, one: Parked, answer: str) -> None:
        """Try an event no more."""
        await self._execute("bury", destination, one.position, one.attempts, answer)

    async def unpark(self, destination: UUID, position: int) -> None:
        """It was delivered after all."""
        await self._execute("unpark", destination, position)

    async def event(self, position: int) -> Recorded | None:
        """The event at a position; None when this release can't read it."""
        async with self._small:
            found = await self._log.events_at([position])
        return next((one for one in found if isinstance(one, Recorded)), None)

    async def state(self, destination: UUID) -> asyncpg.Record | None:
        """`failing_since` and `last_success` of a destination; None when it was removed."""
        async with self._small:
            return await self._pool.fetchrow(self._sql["state"], destination)

    async def failing(self, destination: UUID, now: datetime, next_at: datetime) -> None:
        """A destination takes nothing; since when is kept from the first time on."""
        await self._execute("failing", destination, now, next_at)

    async def recovered(self, destination: UUID) -> None:
        """It takes again."""
        await self._execute("recovered", destination)

    async def _execute(self, name: str, *values: object) -> None:
        async with self._small:
            await self._pool.execute(self._sql[name], *values)
