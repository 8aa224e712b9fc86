"""The book of the vault's objects: entered before the first byte is stored, struck out after the last one.

So whatever a killed gateway left is found: the claim of a dead writer ends, another gateway fetches the file
anew, and the half-written object is removed. The log says what is kept; the book only says what to tidy up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.store.postgres import Pool
from projections.sql import load

LEASE: Final = timedelta(seconds=30)
"""How long a claim lasts that is not renewed."""
SLOW: Final = timedelta(minutes=10)
"""How much later what a dead writer left is removed."""
AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Gone:
    """An object to be removed, unless its dead writer still recorded it."""

    object_id: UUID
    message: UUID
    readable: bool
    """The key that opens it is there."""


class Objects:
    """The table `vault_objects` of one log."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._sql: Mapping[str, str] = load("gateway.vault", "objects.sql", schema)

    async def claim(self, object_id: UUID, message: UUID, whose: tuple[UUID, int], now: datetime) -> bool:
        """Enter an object to be written for a message; False while somebody else writes one.

        `whose`: subject and month of the key that opens it.
        """
        taken = await self._pool.fetchval(self._sql["claim"], object_id, message, *whose, now + LEASE)
        return taken is not None

    async def renew(self, object_ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Go on claiming these; those that still were."""
        rows = await self._pool.fetch(self._sql["renew"], list(object_ids), now + LEASE)
        return {row["object"] for row in rows}

    async def keep(self, object_id: UUID) -> None:
        """It is whole and recorded."""
        await self._pool.execute(self._sql["keep"], object_id)

    async def drop(self, object_id: UUID) -> None:
        """It is no longer in the store."""
        await self._pool.execute(self._sql["drop"], object_id)

    async def put_off(self, object_id: UUID, now: datetime) -> None:
        """It can't be removed now: not before some minutes."""
        await self._pool.execute(self._sql["put off"], object_id, now + SLOW)

    async def give_up(self, now: datetime) -> None:
        """End the claims of dead writers."""
        await self._pool.execute(self._sql["give up"], now, now + SLOW)

    async def forget(self, now: datetime) -> None:
        """Give up what nobody can open any more."""
        await self._pool.execute(self._sql["forget"], now)

    async def gone(self, now: datetime) -> list[Gone]:
        """What is to be removed now."""
        return [Gone(*row) for row in await self._pool.fetch(self._sql["gone"], now, AT_ONCE)]
