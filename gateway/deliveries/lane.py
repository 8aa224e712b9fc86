"""The deliveries to one destination of the partitions that this gateway owns.

A lane reads the log at its own pace, so that a slow destination holds up nobody else. Each conversation goes
in order, one delivery at a time; what fails is parked with everything behind it in its conversation, and the
rest goes on. A lane never changes: for another revision or other partitions there is another lane.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, assert_never
from uuid import UUID

from domain.destinations import signing
from domain.destinations.model import Destination
from domain.destinations.verdict import Again, Delivered, Gone, Verdict, Wait, judge
from domain.events import Recorded, Undecodable
from gateway.deliveries.gate import Gate
from gateway.deliveries.leases import Leases
from gateway.deliveries.parking import ParkingLot
from gateway.deliveries.parts import Part
from gateway.deliveries.poster import AT_ONCE, Answer, Poster
from gateway.deliveries.rendering import Body, Nothing, Rendering
from gateway.logs import get_logger
from gateway.store.deliveries import DeliveryTables, Note, Parked, partition_of
from gateway.store.tail import Tail

PAGE: Final = 200
WINDOW: Final = 500
"""Events that are read and not delivered yet; with more the reading waits."""
MOST_PARKED: Final = 1_000
"""Events; with more the cursor stands still until some are delivered."""
REST: Final = 0.02
"""Seconds that events gather at the log's end."""
CHECK: Final = 0.25
"""Seconds between two looks whether there is room again."""
IN_DOUBT: Final = "no answer is known"


class LeaseLostError(Exception):
    """The partition may be somebody else's by now: nothing more is sent."""


class EndsError(Exception):
    """The destination gets nothing any more."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes of a gateway share."""

    tail: Tail
    tables: DeliveryTables
    leases: Leases
    rendering: Rendering
    clock: Callable[[], datetime]


class Lane:
    """Deliver to one destination; `run` until it is cancelled, then `notes` for the last time."""

    def __init__(
        self,
        destination: Destination,
        partitions: Collection[int],
        around: Surroundings,
        poster: Poster,
    ) -> None:
        self._destination = destination
        self._partitions = partitions
        self._around = around
        self._poster = poster
        self._gate = Gate(around.clock)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._parts: dict[int, Part] = {}
        self._queues: dict[UUID, deque[Recorded]] = {}
        self._count = 0
        self._lot = ParkingLot()
        self._tasks: asyncio.TaskGroup | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_ending = False

    async def run(self) -> None:
        """Deliver until cancelled. Raises EndsError, LeaseLostError, and whatever the database raises."""
        await self._load()
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
        if note.partition in self._parts:
            self._parts[note.partition].unnoted(note)

    async def _load(self) -> None:
        tables, one = self._around.tables, self._destination
        for cursor in await tables.cursors(one.id, self._partitions):
            self._parts[cursor.partition] = Part.of(cursor)
        self._lot.fill(await tables.parked(one.id, self._partitions))
        head = await self._around.tail.head()
        if any(part.read > head for part in self._parts.values()):
            get_logger().error("the log ends before what was delivered", destination=one.name)
        state = await tables.state(one.id)
        self._gate = Gate(self._around.clock, failing_since=state["failing_since"] if state else None)

    async def _read(self) -> None:
        """Read the log from the cursor that is furthest behind."""
        if not self._parts:
            return
        tail, position = self._around.tail, min(part.read for part in self._parts.values())
        while not self._is_ending:
            if self._count >= WINDOW or self._lot.count >= MOST_PARKED:
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
        queue = self._queues[stream]
        while queue and not self._is_ending:
            item = queue[0]
            if self._lot.has(stream):
                await self._park(item, attempts=0, answer=None)
            else:
                await self._deliver(item)
            part = self._parts[partition_of(stream)]
            part.on_the_way.pop(item.position, None)
            self._count -= 1
            queue.popleft()
        del self._queues[stream]

    async def _deliver(self, item: Recorded) -> None:
        """Until it is delivered, skipped or parked."""
        stream = item.event.originator_id
        while True:
            turn, verdict, answer = await self._try(item)
            match verdict:
                case Delivered():
                    return
                case Again():
                    await self._failed(stream, turn)
                    if self._gate.is_open:
                        await self._park(item, attempts=1, answer=_word(answer))
                        return
                case Wait() | Gone():
                    await self._obey(verdict)
                case _:
                    assert_never(verdict)

    async def _try(self, item: Recorded) -> tuple[int, Verdict, Answer | None]:
        """One delivery, as soon as the destination is tried at all; with the gate's turn it was made in."""
        async with self._slots:
            turn = await self._gate.enter()
            if self._is_ending:
                raise asyncio.CancelledError
            verdict, answer = await self._post(item)
        if answer is None:
            self._gate.untried(turn)
        elif isinstance(verdict, Delivered) and self._gate.succeeded():
            await self._around.tables.recovered(self._destination.id)
        return turn, verdict, answer

    async def _post(self, item: Recorded) -> tuple[Verdict, Answer | None]:
        part = self._parts[partition_of(item.event.originator_id)]
        body = await self._around.rendering.of(self._destination.format, item)
        if isinstance(body, Nothing):
            part.skipped += body is Nothing.GONE
            return Delivered(), None
        if not self._around.leases.holds(part.partition):
            raise LeaseLostError
        now = self._around.clock()
        answer = await self._poster.post(body.data, self._headers(item, body, now))
        now = self._around.clock()
        part.answered(item, answer, now)
        verdict = judge(answer.status, answer.retry_after, now)
        if isinstance(verdict, Delivered):
            part.delivered += 1
            part.last_success = now
        return verdict, answer

    def _headers(self, item: Recorded, body: Body, now: datetime) -> dict[str, str]:
        secrets, event_id = self._destination.signs_with(now), item.event.key
        if self._destination.format == "whatsapp":
            signed = signing.of_whatsapp(body.data, secrets)
        else:
            signed = signing.of_standard_webhooks(body.data, secrets, event_id, now)
        return {"Content-Type": body.content_type, "Ledgerline-Event": event_id, **signed}

    async def _failed(self, stream: UUID, turn: int) -> None:
        if self._gate.failed(stream, turn):
            await self._keep_shut()

    async def _obey(self, verdict: Wait | Gone) -> None:
        match verdict:
            case Gone():
                raise EndsError("disabled", "it answered 410 Gone")
            case Wait(seconds=seconds):
                self._gate.wait(seconds)
                await self._keep_shut()
            case _:
                assert_never(verdict)

    async def _keep_shut(self) -> None:
        now, until = self._around.clock(), self._gate.until
        since = self._gate.failing_since
        if until is not None:
            await self._around.tables.failing(self._destination.id, now, until)
        if since is not None and self._lot.is_too_old(since, now):
            raise EndsError("paused", "it has taken nothing for five days")

    async def _park(self, item: Recorded, *, attempts: int, answer: str | None) -> None:
        stream, now = item.event.originator_id, self._around.clock()
        parked = Parked(item.position, partition_of(stream), stream, attempts, now, now)
        if attempts:
            self._lot.put_off(parked, now)
        with self._lot.arriving(parked) as is_new:
            if is_new and not await self._around.tables.park(self._destination.id, parked, answer):
                raise LeaseLostError

    async def _tend(self) -> None:
        """Try again what is parked, and a destination that was shut off."""
        while not self._is_ending:
            self._gate.tick()
            for stream in self._lot.due(self._around.clock()):
                self._begin(self._retry(stream))
            await asyncio.sleep(CHECK)

    async def _retry(self, stream: UUID) -> None:
        """Deliver what is parked of a conversation, in order, until something fails."""
        tables, lot = self._around.tables, self._lot
        with lot.trying(stream) as queue:
            while queue and queue[0].next_at <= self._around.clock() and not self._is_ending:
                head = queue[0]
                item = await tables.event(head.position)
                if item is None:
                    await tables.unpark(self._destination.id, head.position)
                    lot.leave(queue)
                    continue
                turn, verdict, answer = await self._try(item)
                match verdict:
                    case Delivered():
                        await tables.unpark(self._destination.id, head.position)
                        lot.leave(queue)
                    case Again():
                        await self._failed(stream, turn)
                        if not await self._later(head, _word(answer)):
                            lot.leave(queue)
                    case Wait() | Gone():
                        await self._obey(verdict)
                    case _:
                        assert_never(verdict)

    async def _later(self, head: Parked, answer: str) -> bool:
        """Put off what failed again; False when it is given up."""
        tables, now = self._around.tables, self._around.clock()
        head.attempts += 1
        if not self._lot.is_too_old(head.parked_at, now):
            self._lot.put_off(head, now)
            await tables.failed_again(self._destination.id, head, answer)
            return True
        state = await tables.state(self._destination.id)
        own = [part.last_success for part in self._parts.values() if part.last_success]
        successes = [*own, *([state["last_success"]] if state and state["last_success"] else [])]
        if not any(at > head.parked_at for at in successes):
            raise EndsError("paused", "it has taken nothing for five days")
        await tables.bury(self._destination.id, head, answer)
        return False


def _word(answer: Answer | None) -> str:
    if answer is None:
        return IN_DOUBT
    return answer.error or str(answer.status)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The reason for which a lane ended; the destination's own words count most."""
    found = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((error for error in found if isinstance(error, EndsError)), found[0])
