"""One delivery after the other to a destination: signed, posted, judged, and what follows for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never
from uuid import UUID

from domain.destinations import schedule, signing
from domain.destinations.model import Destination
from domain.destinations.verdict import Again, Delivered, Gone, Verdict, Wait, judge
from domain.events import Recorded
from gateway.deliveries.around import NOTHING_TAKEN, EndsError, LeaseLostError, Surroundings
from gateway.deliveries.gate import Gate
from gateway.deliveries.parts import Part
from gateway.deliveries.poster import AT_ONCE, Answer, Poster
from gateway.deliveries.rendering import Body, Nothing
from gateway.store.deliveries import partition_of

OUTCOMES: Final = {Delivered: "delivered", Again: "failed", Wait: "put_off", Gone: "gone"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a delivery."""

    turn: int
    """Of the gate."""
    verdict: Verdict
    answer: Answer | None
    """None: there was nothing to send."""

    @property
    def word(self) -> str:
        """The answer in a word."""
        return "nothing to send" if self.answer is None else self.answer.error or str(self.answer.status)


class Attempts:
    """All deliveries of a lane; the gate decides whether there are any."""

    def __init__(
        self,
        destination: Destination,
        around: Surroundings,
        poster: Poster,
        parts: Mapping[int, Part],
        gate: Gate,
    ) -> None:
        self._destination = destination
        self._around = around
        self._poster = poster
        self._parts = parts
        self._gate = gate
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def make(self, item: Recorded) -> Attempt:
        """One delivery, as soon as the destination is tried at all. Raises LeaseLostError."""
        async with self._slots:
            await self._around.turns.next()
            turn = await self._gate.enter()
            verdict, answer = await self._post(item)
        if answer is None:
            self._gate.untried(turn)
        elif isinstance(verdict, Delivered) and self._gate.succeeded():
            await self._around.tables.recovered(self._destination.id)
        return Attempt(turn, verdict, answer)

    async def failed(self, conversation: UUID, turn: int) -> bool:
        """A delivery was not taken; whether others may still be tried."""
        if self._gate.failed(conversation, turn):
            await self._keep_shut()
        return self._gate.is_open

    async def obey(self, verdict: Wait | Gone) -> None:
        """Do as the destination says."""
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
        if since is not None and schedule.is_over(since, now):
            raise EndsError("paused", NOTHING_TAKEN)

    async def _post(self, item: Recorded) -> tuple[Verdict, Answer | None]:
        part = self._parts[partition_of(item.event.originator_id)]
        body = await self._around.rendering.of(self._destination.format, item)
        if isinstance(body, Nothing):
            if body is Nothing.GONE:
                part.skipped += 1
                self._around.count(self._destination.name, "skipped")
            return Delivered(), None
        if not await self._around.leases.holds(part.partition):
            raise LeaseLostError
        headers = self._headers(item, body)
        answer = await self._poster.post(body.data, headers)
        now = self._around.clock()
        part.answered(item.position, answer, now)
        verdict = judge(answer.status, answer.retry_after, now)
        self._around.count(self._destination.name, OUTCOMES[type(verdict)])
        if isinstance(verdict, Delivered):
            part.delivered += 1
            part.last_success = now
        return verdict, answer

    def _headers(self, item: Recorded, body: Body) -> dict[str, str]:
        secrets, event_id = self._destination.signs_with(self._around.clock()), item.event.key
        now = self._around.signing_clock()
        signed = signing.of(self._destination.format, body.data, secrets, event_id, now)
        return {"Content-Type": body.content_type, "Ledgerline-Event": event_id, **signed}
