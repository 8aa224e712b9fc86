"""All deliveries of a gateway: leases are renewed, lanes begin and end, and what happened is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import asyncpg

from gateway.deliveries.around import Surroundings
from gateway.deliveries.guard import Guard
from gateway.deliveries.lane import Lane
from gateway.deliveries.slot import Slot, Spec
from gateway.destinations.destinations import Destinations
from gateway.logs import Sparing
from gateway.store.postgres import DATABASE_GONE

TICK: Final = 1.0
"""Seconds between two renewals; as often is kept what was delivered."""
FINISH: Final = 12.0
"""Seconds that a shutdown gives to deliveries on their way: longer than one may take."""

_AWAY: Final = (asyncpg.PostgresError, *DATABASE_GONE)
_LOG: Final = Sparing(every=60.0)


class Deliveries:
    """One for each gateway; any number may work on one log."""

    def __init__(self, destinations: Destinations, around: Surroundings, *, guard: Guard) -> None:
        self._destinations = destinations
        self._around = around
        self._tables = around.tables
        self._leases = around.leases
        self._guard = guard
        self._slots: dict[UUID, Slot] = {}

    async def run(self) -> None:
        """Deliver until cancelled; outlives the loss of the database."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._renew())
                tasks.create_task(self._deliver())
        finally:
            with contextlib.suppress(*_AWAY):
                await self._stop()
            await self._around.rendering.close()

    async def _renew(self) -> None:
        """By itself: whatever the rest waits for, leases are kept."""
        while True:
            if self._slots:
                with _logged():
                    await self._leases.renew()
            await asyncio.sleep(TICK)

    async def _deliver(self) -> None:
        while True:
            with _logged():
                await self._tick()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._destinations.changes.happened.wait()
            self._destinations.changes.happened.clear()

    async def _tick(self) -> None:
        revisions = await self._tables.revisions()
        if not revisions and not self._slots:
            return
        if not self._leases.is_running:
            await self._leases.renew()
        self._want(revisions)
        await self.keep([slot.lane for slot in self._slots.values() if slot.lane])
        surplus = self._leases.owned - self._leases.keep
        if surplus and all(slot.partitions.isdisjoint(surplus) for slot in self._slots.values()):
            await self._leases.release(surplus)

    def _want(self, revisions: dict[UUID, int]) -> None:
        """Have a lane for each active destination, as it is now, of the partitions that remain ours."""
        for destination, slot in list(self._slots.items()):
            if destination not in revisions:
                slot.want(None)
            if slot.is_over:
                del self._slots[destination]
        for destination, revision in revisions.items():
            if destination not in self._slots:
                self._slots[destination] = Slot(
                    destination, self._destinations, self._around, self._guard, self.keep
                )
            self._slots[destination].want(Spec(revision, self._leases.keep, self._leases.turn))

    async def keep(self, lanes: list[Lane]) -> None:
        """Keep what was delivered: after a crash it is not delivered again."""
        notes = [(lane, note) for lane in lanes for note in lane.notes()]
        if not notes:
            return
        try:
            await self._tables.advance([note for _, note in notes], self._around.clock())
        except _AWAY:
            for lane, note in notes:
                lane.unnoted(note)
            raise

    async def _stop(self) -> None:
        """Let deliveries on their way end, and leave the partitions to others."""
        for slot in self._slots.values():
            slot.want(None)
        if self._slots:
            await asyncio.wait([slot.task for slot in self._slots.values()], timeout=FINISH)
            for slot in self._slots.values():
                slot.task.cancel()
            await asyncio.wait([slot.task for slot in self._slots.values()])
            await self._leases.leave()


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Outlive the loss of the database."""
    try:
        yield
    except _AWAY as error:
        _LOG.warning("deliveries wait for the database", error=type(error).__name__)
