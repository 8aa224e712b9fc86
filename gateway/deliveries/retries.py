"""What could not be delivered is parked, with what comes behind it in its conversation, and tried again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never
from uuid import UUID

from domain.destinations import schedule
from domain.destinations.model import Destination
from domain.destinations.verdict import Again, Delivered, Gone, Wait
from domain.events import Recorded
from gateway.deliveries.around import NOTHING_TAKEN, EndsError, LeaseLostError, Surroundings
from gateway.deliveries.attempts import Attempt, Attempts
from gateway.deliveries.parking import ParkingLot
from gateway.deliveries.parts import Part
from gateway.store.deliveries import Parked, partition_of


class Retries:
    """The parked conversations of a lane."""

    def __init__(
        self, destination: Destination, around: Surroundings, attempts: Attempts, parts: Iterable[Part]
    ) -> None:
        self._destination = destination
        self._around = around
        self._attempts = attempts
        self._parts = parts
        self._lot = ParkingLot()

    @property
    def count(self) -> int:
        """Events that are parked."""
        return self._lot.count

    def fill(self, parked: Iterable[Parked]) -> None:
        """Begin with what the table holds, in order of position."""
        self._lot.fill(parked)

    def has(self, conversation: UUID) -> bool:
        """Whether what comes of a conversation has to wait."""
        return self._lot.has(conversation)

    def due(self) -> list[UUID]:
        """The conversations that are to be tried now."""
        return self._lot.due(self._around.clock())

    async def park(self, item: Recorded, failed: Attempt | None = None) -> None:
        """Keep an event for later, that failed or waits behind one that did. Raises LeaseLostError."""
        stream, now = item.event.originator_id, self._around.clock()
        attempts = 0 if failed is None else 1
        parked = Parked(item.position, partition_of(stream), stream, attempts, now, now)
        if failed is not None:
            self._lot.put_off(parked, now)
        answer = None if failed is None else failed.word
        with self._lot.arriving(parked) as is_new:
            if is_new and not await self._around.tables.park(self._destination.id, parked, answer):
                raise LeaseLostError

    async def retry(self, stream: UUID) -> None:
        """Deliver what is parked of a conversation, in order, until something fails."""
        with self._lot.trying(stream) as queue:
            while queue and queue[0].next_at <= self._around.clock():
                if await self._try(queue[0]):
                    self._lot.leave(queue)

    async def _try(self, head: Parked) -> bool:
        """Whether an event is parked no more."""
        tables = self._around.tables
        item = await tables.event(head.position)
        if item is None:  # this release can't read it
            await tables.unpark(self._destination.id, head.position)
            return True
        attempt = await self._attempts.make(item)
        match attempt.verdict:
            case Delivered():
                await tables.unpark(self._destination.id, head.position)
                return True
            case Again():
                await self._attempts.failed(head.conversation, attempt.turn)
                return not await self._later(head, attempt.word)
            case Wait() | Gone() as verdict:
                await self._attempts.obey(verdict)
                return False
            case _:
                assert_never(attempt.verdict)

    async def _later(self, head: Parked, answer: str) -> bool:
        """Put off what failed again; False when it is given up."""
        tables, now = self._around.tables, self._around.clock()
        head.attempts += 1
        if not schedule.is_over(head.parked_at, now):
            self._lot.put_off(head, now)
            await tables.failed_again(self._destination.id, head, answer)
            return True
        if not await self._took_others_since(head.parked_at):
            raise EndsError("paused", NOTHING_TAKEN)
        await tables.bury(self._destination.id, head, answer)
        return False

    async def _took_others_since(self, at: datetime) -> bool:
        state = await self._around.tables.state(self._destination.id)
        successes = [part.last_success for part in self._parts]
        if state is not None:
            successes.append(state["last_success"])
        return any(success is not None and success > at for success in successes)
