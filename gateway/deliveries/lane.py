"""The deliveries to one destination of the partitions that this gateway owns.

A lane reads the log at its own pace, so that a slow destination holds up nobody else. Each conversation goes
in order, one delivery at a time; what fails is parked with everything behind it in its conversation, and the
rest goes on. A lane never changes: for another revision or other partitions there is another lane.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final, assert_never
from uuid import UUID

from domain.destinations.model import Destination
from domain.destinations.verdict import Again, Delivered, Gone, Wait
from domain.events import Recorded, Undecodable
from gateway.deliveries import parking
from gateway.deliveries.around import EndsError, Surroundings
from gateway.deliveries.attempts import Attempts
from gateway.deliveries.gate import Gate
from gateway.deliveries.parts import Part
from gateway.deliveries.poster import Poster
from gateway.deliveries.retries import Retries
from gateway.logs import Sparing, get_logger
from gateway.store.deliveries import Note, partition_of

PAGE: Final = 200
WINDOW: Final = 500
"""Events that are read and not delivered yet; with more the reading waits."""
REST: Final = 0.02
"""Seconds that events gather at the log's end."""
CHECK: Final = 0.25
"""Seconds between two looks at what is due, or whether there is room again."""

_LOG: Final = Sparing(every=60.0)


class Lane:
    """Deliver to one destination; `begun` makes one, `run` until it is cancelled, then `notes` once more."""

    def __init__(
        self,
        destination: Destination,
        around: Surroundings,
        poster: Poster,
        parts: Sequence[Part],
        gate: Gate,
    ) -> None:
        self._destination = destination
        self._around = around
        self._parts = {part.partition: part for part in parts}
        self._gate = gate
        self._attempts = Attempts(destination, around, poster, self._parts, gate)
        self._retries = Retries(destination, around, self._attempts, parts)
        self._queues: dict[UUID, deque[Recorded]] = {}
        self._count = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_ending = False

    @classmethod
    async def begun(
        cls, destination: Destination, partitions: frozenset[int], around: Surroundings, poster: Poster
    ) -> Lane:
        """A lane that goes on where the deliveries stand."""
        tables = around.tables
        parts = [Part.of(cursor) for cursor in await tables.cursors(destination.id, partitions)]
        head = await around.tail.head()
        if any(part.read > head for part in parts):
            get_logger().error("the log ends before what was delivered", destination=destination.name)
        state = await tables.state(destination.id)
        gate = Gate(around.clock, failing_since=state["failing_since"] if state else None)
        lane = cls(destination, around, poster, parts, gate)
        lane._retries.fill(await tables.parked(destination.id, partitions))
        return lane

    async def run(self) -> None:
        """Deliver until cancelled. Raises EndsError, LeaseLostError, and whatever the database raises."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._reader = self._tasks.create_task(self._read())
                self._tasks.create_task(self._tend())
        except ExceptionGroup as group:
            raise _first(group) from None

    def end(self) -> None:
        """Begin nothing new; what is on its way comes to its end."""
        self._is_ending = True
        self._gate.close()
        if self._reader is not None:
            self._reader.cancel()

    def notes(self) -> list[Note]:
        """What is to be kept of what happened."""
        made = (part.note(self._destination.id) for part in self._parts.values())
        return [note for note in made if note is not None]

    def unnoted(self, note: Note) -> None:
        """A note could not be kept."""
        self._parts[note.partition].unnoted(note)

    async def _read(self) -> None:
        """Read the log from the cursor that is furthest behind."""
        if not self._parts:
            return
        tail, position = self._around.tail, min(part.read for part in self._parts.values())
        while not self._is_ending:
            if is_full := self._retries.count >= parking.MOST:
                _LOG.warning(
                    "a destination stands still: too much is parked", destination=self._destination.name
                )
            if is_full or self._count >= WINDOW:
                await asyncio.sleep(CHECK)
                continue
            page = await tail.after(position, PAGE)
            for item in page:
                self._take(item)
            if page:
                position = page[-1].position
                for part in self._parts.values():
                    part.read = max(part.read, position)
            if len(page) < PAGE:
                await tail.wait()
                await asyncio.sleep(REST)

    def _take(self, item: Recorded | Undecodable) -> None:
        if isinstance(item, Undecodable):
            return
        part = self._parts.get(partition_of(item.event.originator_id))
        if part is None or item.position <= part.read or not self._destination.takes(item.event):
            return
        part.on_the_way[item.position] = None
        self._count += 1
        stream = item.event.originator_id
        if stream in self._queues:
            self._queues[stream].append(item)
        else:
            self._queues[stream] = deque([item])
            self._begin(self._converse(stream))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            raise RuntimeError("the lane does not run")
        self._tasks.create_task(work)

    async def _converse(self, stream: UUID) -> None:
        """Deliver what was read of a conversation, in order."""
        queue, part = self._queues[stream], self._parts[partition_of(stream)]
        while queue and not self._is_ending:
            item = queue[0]
            if self._retries.has(stream):
                await self._retries.park(item)
            else:
                await self._deliver(item)
            del part.on_the_way[item.position]
            self._count -= 1
            queue.popleft()
        del self._queues[stream]

    async def _deliver(self, item: Recorded) -> None:
        """Until it is delivered, skipped or parked."""
        while True:
            attempt = await self._attempts.make(item)
            match attempt.verdict:
                case Delivered():
                    return None
                case Again():
                    if await self._attempts.failed(item.event.originator_id, attempt.turn):
                        return await self._retries.park(item, attempt)
                case Wait() | Gone() as verdict:
                    await self._attempts.obey(verdict)
                case _:
                    assert_never(attempt.verdict)

    async def _tend(self) -> None:
        """Try again what is parked, and a destination that was shut off."""
        while not self._is_ending:
            self._gate.tick()
            for stream in self._retries.due():
                self._begin(self._retries.retry(stream))
            await asyncio.sleep(CHECK)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The reason for which a lane ended; the destination's own words count most."""
    found = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((error for error in found if isinstance(error, EndsError)), found[0])
