"""One step each: what is done to the world, and what the oracle says must come of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

from running import until
from send_oracle import NONE, Attempt, Oracle, Sent, Trouble, of_callback_data
from send_world import ENOUGH, Answer, World, troubled

ACCEPTED = (200, None, "accepted")
IN_FLIGHT = 409
"""Nobody knows yet what becomes of it."""


class Steps:
    """Steps in one world."""

    def __init__(self, world: World, oracle: Oracle) -> None:
        self.world = world
        self.oracle = oracle

    async def customer(self, person: str, does: str, what: Any, *, goes_to: int, held: bool) -> None:
        """A customer writes or reads, and a gateway hears of it now or later."""
        post = self.world.post
        post.goes_to, post.holding = goes_to, held
        await self.world.control(f"customers/{person}/{does}", what)
        await self.world.simulator.callbacks.settled()
        post.holding = False
        await self._settles()

    async def send(
        self,
        nth: int,
        body: Any,
        key: str | None,
        trouble: Trouble = NONE,
        *,
        style: str = "now",
        turned: bool = False,
        patient: bool = True,
    ) -> None:
        bound, before = self.oracle.bound(key), self.now
        async with troubled(self.world, nth, trouble, style, patient=patient):
            answer = await self.world.sends(nth, body, key, turned=turned)
        if bound:
            _must_replay(answer, bound, body)
        elif self._must_leave(answer, body, before):
            await self._posted(answer, body, key, trouble, style=style, patient=patient)
        else:
            self._refused(answer, body, key)

    async def send_at_once(
        self, times: int, body: Any, key: str | None, trouble: Trouble, style: str
    ) -> None:
        """The same over both gateways; a key makes it one send."""
        bound, before = self.oracle.bound(key), self.now
        async with troubled(self.world, 0, trouble, style, patient=True):
            turns = [self.world.sends(nth % 2, body, key, turned=nth > 1) for nth in range(times)]
            answers = await asyncio.gather(*turns)
        if bound:
            for answer in answers:
                _must_replay(answer, bound, body)
            return
        first = [one for one in answers if one.outcome and not one.is_replay and one.status != IN_FLIGHT]
        for answer in first:
            if self._must_leave(answer, body, before):
                await self._posted(answer, body, key, trouble, style=style, patient=True)
            else:
                self._refused(answer, body, key)
        is_one = key and first[0].outcome != "refused"
        assert len(first) == (1 if is_one else times)
        for answer in answers:
            told = (answer.status, answer.outcome)
            assert answer in first or told in {(IN_FLIGHT, "unknown"), (200, "accepted"), (500, "unknown")}

    async def settle(self, nth: int, sent: Sent, word: str, trouble: Trouble, style: str) -> None:
        """An operator says what became of a send, or has it sent again."""
        stands, before = sent.stands, self.now
        async with troubled(self.world, nth, trouble, style, patient=True):
            answer = await self.world.asks(nth, f"/api/messages/{sent.send_id}/settle", {"as": word})
        if stands != "unknown":
            assert (answer.status, answer.body["state"]) == (409, stands)
        elif word != "resend":
            assert (answer.status, answer.body["state"]) == (200, word)
            sent.last.settled = word
        elif (answer.status != 409) in self._may_leave(sent.body, before) and answer.status != 409:
            sent.last.settled = "resend"
            attempt = self.oracle.repeat(sent, trouble)
            told = "accepted" if attempt.is_taken and style != "held" else attempt.outcome
            assert (answer.status, answer.body["state"]) == (200, told)
            await self._follow(attempt, sent.body)
        else:
            assert (answer.status, answer.body["type"]) == (409, "urn:ledgerline:refused")
            assert False in self._may_leave(sent.body, before)

    async def release(self, nth: int, order: Random | None = None, times: int = 1) -> None:
        """What was held arrives, in any order."""
        letters, self.world.post.held = self.world.post.held * times, []
        if order is not None:
            order.shuffle(letters)
        for letter in letters:
            assert await self.world.post.deliver(letter, nth) == 200
        await self._settles()

    async def repeat(self, nth: int, which: list[int]) -> None:
        """WhatsApp repeats what was acknowledged already."""
        delivered = list(self.world.post.delivered)
        for one in which:
            assert await self.world.post.deliver(delivered[one % len(delivered)], nth) == 200
        await self._settles()

    async def look(self, nth: int, sent: Sent) -> None:
        answer = await self.world.get(nth, f"/api/messages/{sent.send_id}")
        assert (answer.status, answer.body["state"]) == (200, sent.state)

    async def count(self) -> None:
        """WhatsApp accepted what it should, and no dispatch reached it twice."""
        accepted = Counter(
            of_callback_data(one.body["biz_opaque_callback_data"])[:2]
            for one in self.world.simulator.accepted.values()
        )
        assert accepted == dict.fromkeys(self.oracle.taken, 1)
        knocked = Counter(of_callback_data(data)[:2] for data in self.world.door.knocked)
        assert set(knocked.values()) <= {1}

    async def end(self) -> None:
        """Whatever was held arrives; then every send is what it should be, wherever one looks."""
        await self.release(0)
        await self.count()
        for sent in list(self.oracle.sends.values()):
            await self.look(0, sent)
            if self.oracle.bound(sent.key) is sent:
                await self.send(1, sent.body, sent.key)
        await self._each_dispatch_has_one_outcome()

    @property
    def now(self) -> float:
        return self.world.clock.now().timestamp()

    def _may_leave(self, body: Any, before: float) -> set[bool]:
        """Both, if the window closed meanwhile."""
        return {self.oracle.may_leave(body, now) for now in (before, self.now)}

    def _must_leave(self, answer: Answer, body: Any, before: float) -> bool:
        assert not answer.is_replay
        left = answer.outcome != "refused"
        assert left in self._may_leave(body, before)
        return left

    def _refused(self, answer: Answer, body: Any, key: str | None) -> None:
        assert (answer.status, answer.code) == (400, 131047)
        self.oracle.refuse(str(answer.send_id), body, key)

    async def _posted(
        self, answer: Answer, body: Any, key: str | None, trouble: Trouble, *, style: str, patient: bool
    ) -> None:
        attempt = self.oracle.post(str(answer.send_id), body, key, trouble)
        right = {(attempt.http_status, attempt.code, attempt.outcome)}
        if attempt.is_open and attempt.is_taken and style != "held":
            right = {ACCEPTED} if patient else {ACCEPTED, *right}
        assert (answer.status, answer.code, answer.outcome) in right
        if answer.status == 200:
            assert answer.body["messages"][0]["id"] == self._message_ids()[str(answer.send_id)]
        await self._follow(attempt, body)

    async def _follow(self, attempt: Attempt, body: Any) -> None:
        if attempt.code == 131047:
            left = of_callback_data(self.world.door.knocked[-1])[2]
            self.oracle.denied[body["to"].removeprefix("+")] = left
        await self._settles()

    async def _settles(self) -> None:
        """Every unknown send whose status came is settled."""

        async def all_are() -> bool:
            return self.oracle.settled_by_status <= set(await self._attempts("SendSettled"))

        await until(all_are, ENOUGH)

    async def _each_dispatch_has_one_outcome(self) -> None:
        dispatched = await self._attempts("SendDispatched")
        sends = self.oracle.sends.values()
        assert dispatched == {(one.send_id, nth + 1): 1 for one in sends for nth in range(len(one.attempts))}
        assert dispatched == await self._attempts("SendAccepted", "SendFailed", "SendUnknown")
        assert set((await self._attempts("SendSettled")).values()) <= {1}

    async def _attempts(self, *topics: str) -> Counter[tuple[str, int]]:
        events = await self.world.events(*topics)
        return Counter((event["data"]["send_id"], event["data"]["attempt"]) for event in events)

    def _message_ids(self) -> dict[str, str]:
        """Of WhatsApp, for the newest attempt of each send."""
        return {
            of_callback_data(one.body["biz_opaque_callback_data"])[0]: one.message_id
            for one in self.world.simulator.accepted.values()
        }


def _must_replay(answer: Answer, bound: Sent, body: Any) -> None:
    """A bound key answers what is known now, and only to the same request."""
    if body != bound.body:
        assert (answer.status, answer.code, answer.outcome) == (422, 100, "refused")
        return
    assert (answer.outcome, answer.is_replay, answer.send_id) == (bound.stands, True, bound.send_id)
    in_vain = 400 if bound.last.settled or bound.last.is_safe else bound.last.http_status
    assert answer.status == {"accepted": 200, "unknown": 500}.get(bound.stands, in_vain)
