"""Which partitions this gateway delivers: each has one owner, and whoever falls silent loses its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Collection

from gateway.store.deliveries import LEASE, PARTITIONS, DeliveryTables


class Leases:
    """The partitions of one gateway; `renew` every second."""

    def __init__(self, tables: DeliveryTables) -> None:
        self._tables = tables
        self._until = 0.0
        self._renewing = asyncio.Lock()
        self._renewed = asyncio.Event()
        self.owned: frozenset[int] = frozenset()
        """What may be delivered; `keep` of it stays when others want their share."""
        self.share = PARTITIONS
        self.turn = 0
        """Grows with whatever is taken: others may have delivered it meanwhile."""

    @property
    def is_running(self) -> bool:
        """Whether what is owned is surely still ours."""
        return time.monotonic() < self._until

    async def holds(self, partition: int) -> bool:
        """Whether a partition is surely still ours.

        Where a busy gateway was late, the next renewal tells: nobody else had what is still ours then.
        """
        if not self.is_running:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEASE.total_seconds()):
                    await self._renewed.wait()
        return partition in self.owned and self.is_running

    @property
    def keep(self) -> frozenset[int]:
        """What remains ours."""
        return frozenset(sorted(self.owned)[: self.share])

    async def renew(self) -> None:
        """Stay the owner, and take what is nobody's up to our share."""
        async with self._renewing:
            asked_at = time.monotonic()
            ours, owners = await self._tables.renew()
            self.share = math.ceil(PARTITIONS / owners)
            if len(ours) < self.share and (taken := await self._tables.take(self.share - len(ours))):
                ours |= taken
                self.turn += 1
            self.owned, self._until = ours, asked_at + LEASE.total_seconds()
        self._renewed.set()
        self._renewed = asyncio.Event()

    async def release(self, partitions: Collection[int]) -> None:
        """Leave partitions to others."""
        async with self._renewing:
            self.owned -= frozenset(partitions)
            if partitions:
                await self._tables.release(partitions)

    async def leave(self) -> None:
        """Leave all of them."""
        await self.release(self.owned)
        await self._tables.leave()
