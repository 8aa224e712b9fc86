"""Which partitions this gateway delivers: each has one owner, and whoever falls silent loses its own."""

from __future__ import annotations

import math
import time
from collections.abc import Collection

from gateway.store.deliveries import LEASE, PARTITIONS, DeliveryTables


class Leases:
    """The partitions of one gateway; `renew` every second."""

    def __init__(self, tables: DeliveryTables) -> None:
        self._tables = tables
        self._until = 0.0
        self.owned: frozenset[int] = frozenset()
        """What may be delivered; `keep` of it stays when others want their share."""
        self.share = PARTITIONS

    def holds(self, partition: int) -> bool:
        """Whether a partition is surely still ours."""
        return partition in self.owned and time.monotonic() < self._until

    @property
    def keep(self) -> frozenset[int]:
        """What remains ours."""
        return frozenset(sorted(self.owned)[: self.share])

    async def renew(self) -> None:
        """Stay the owner, and take what is nobody's up to our share."""
        asked_at = time.monotonic()
        ours, owners = await self._tables.renew()
        self.share = math.ceil(PARTITIONS / owners)
        if len(ours) < self.share:
            ours |= await self._tables.take(self.share - len(ours))
        self.owned, self._until = ours, asked_at + LEASE.total_seconds()

    async def release(self, partitions: Collection[int]) -> None:
        """Leave partitions to others."""
        self.owned -= frozenset(partitions)
        if partitions:
            await self._tables.release(partitions)

    async def leave(self) -> None:
        """Leave all of them."""
        await self.release(self.owned)
        await self._tables.leave()
