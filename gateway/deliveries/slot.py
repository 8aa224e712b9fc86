"""One destination of one gateway: a lane for as long as nothing changes, then the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from domain.destinations.model import Destination
from gateway.deliveries.around import EndsError, LeaseLostError, Surroundings
from gateway.deliveries.guard import Guard
from gateway.deliveries.lane import Lane
from gateway.deliveries.poster import TIMEOUT, Poster
from gateway.destinations.destinations import Destinations
from gateway.logs import get_logger, where
from gateway.store.postgres import DATABASE_GONE

PAUSE: Final = 1.0
"""Seconds until a lane that broke begins anew."""
GRACE: Final = TIMEOUT + 1.0
"""Seconds that deliveries on their way have when something changes."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a lane is made for."""

    revision: int
    partitions: frozenset[int]
    turn: int
    """Of the leases: partitions that were lost and taken again are begun anew."""


class Slot:
    """Keeps a lane as it is wanted; ends when none is wanted."""

    def __init__(
        self,
        destination: UUID,
        destinations: Destinations,
        around: Surroundings,
        guard: Guard,
        keep: Callable[[list[Lane]], Awaitable[None]],
    ) -> None:
        """`keep`: keeps what a lane delivered."""
        self._id = destination
        self._destinations = destinations
        self._around = around
        self._guard = guard
        self._keep = keep
        self._wanted: Spec | None = None
        self._changed = asyncio.Event()
        self.lane: Lane | None = None
        self.partitions: frozenset[int] = frozenset()
        """Of the lane there is."""
        self.task = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.task.done()

    def want(self, spec: Spec | None) -> None:
        """What there should be from now on."""
        if spec != self._wanted:
            self._wanted = spec
            self._changed.set()

    async def _run(self) -> None:
        await self._changed.wait()
        while (spec := self._wanted) is not None:
            self._changed.clear()
            try:
                await self._have(spec)
            except asyncpg.ForeignKeyViolationError:
                pass  # it was removed before something of it could be parked
            except (LeaseLostError, asyncpg.PostgresError, *DATABASE_GONE) as error:
                get_logger().warning("deliveries begin anew", error=type(error).__name__)
                await asyncio.sleep(PAUSE)
            except Exception as error:  # noqa: BLE001 - one destination must not stop the others
                get_logger().error("deliveries broke", error=type(error).__name__, where=where(error))
                await asyncio.sleep(PAUSE)

    async def _have(self, spec: Spec) -> None:
        """A lane until something else is wanted, or it ends by itself."""
        one = await self._destinations.find(self._id)
        if one is None or one.state != "active" or not spec.partitions:
            await self._changed.wait()
            return
        self.partitions = spec.partitions
        poster = Poster(one.url, one.headers, self._guard)
        try:
            self.lane = await Lane.begun(one, spec.partitions, self._around, poster)
            await self._until_changed(one, self.lane)
        finally:
            await poster.close()
            await self._leave()

    async def _leave(self) -> None:
        """Keep what the lane delivered last."""
        lane, self.lane = self.lane, None
        try:
            if lane is not None:
                await self._keep([lane])
        finally:
            self.partitions = frozenset()

    async def _until_changed(self, one: Destination, lane: Lane) -> None:
        running = asyncio.create_task(lane.run())
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait([running, changed], return_when=asyncio.FIRST_COMPLETED)
            lane.end()
            await asyncio.wait([running], timeout=GRACE)
        finally:
            changed.cancel()
            running.cancel()
            await asyncio.wait([running])
        try:
            if not running.cancelled():
                running.result()
        except EndsError as end:
            await self._destinations.stopped(one, end.state, end.reason)
            await self._changed.wait()
