"""Any history of sends over two gateways, step by step against an oracle of its own.

`make machine` runs it longer. A failure prints its steps.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from send_oracle import DAY, LOST_ANSWER, MARGIN, NONE, SYNC, TROUBLES, Oracle, Sent, Trouble
from send_steps import Steps
from send_world import ENOUGH, world

from gateway.sends import settler

T = TypeVar("T")

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "10"))
STEPS = int(os.environ.get("MACHINE_STEPS", "15"))

PEOPLE = ("447700900123", "447700900456", "15550109999")
HOUR = 3600


def text(person: str) -> Any:
    said = {"body": "On its way."}
    return {"messaging_product": "whatsapp", "to": f"+{person}", "type": "text", "text": said}


def template(person: str) -> Any:
    named = {"name": "order_update", "language": {"code": "en_GB"}}
    return {"messaging_product": "whatsapp", "to": f"+{person}", "type": "template", "template": named}


people = st.sampled_from(PEOPLE)
bodies = st.sampled_from([make(person) for make in (text, template) for person in PEOPLE])
gateways = st.integers(0, 1)
keys = st.sampled_from((None, *"abcdef"))
troubles = st.sampled_from((*[NONE] * 9, *TROUBLES))
styles = st.sampled_from(("now", "held", "duplicate", "reorder", "batch"))
"""How the callbacks of a send come."""
any_of_them = st.integers(0, 10**6)
times_passed = st.sampled_from((60, HOUR, 12 * HOUR, 22 * HOUR, 23 * HOUR + 1800, 24 * HOUR, 26 * HOUR))


class Sending(RuleBasedStateMachine):
    """What callers, customers, operators and WhatsApp do."""

    databases: Callable[[], AbstractAsyncContextManager[str]]

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.is_whole = True
        around = world(type(self).databases, self.oracle.hear)
        self.world = self.runner.run(self.stack.enter_async_context(around))
        self.steps = Steps(self.world, self.oracle)

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        self.is_whole = False
        done = self.runner.run(asyncio.wait_for(step, 3 * ENOUGH))
        self.is_whole = True
        return done

    def teardown(self) -> None:
        try:
            if self.is_whole:
                self.do(self.steps.end())
        finally:
            self.runner.run(self.stack.aclose())
            self.runner.close()

    @initialize(
        people=st.sets(people, min_size=1),
        sends=st.lists(st.tuples(gateways, bodies, keys, troubles, styles), min_size=1, max_size=4),
    )
    def some_write_and_are_written_to(self, people: set[str], sends: list[Any]) -> None:
        for person in sorted(people):
            self.a_customer_writes(person=person, goes_to=0, held=False)
        for nth, body, key, trouble, style in sends:
            self.do(self.steps.send(nth, body, key, trouble, style=style))

    @rule(person=people, goes_to=gateways, held=st.booleans())
    def a_customer_writes(self, *, person: str, goes_to: int, held: bool) -> None:
        message = {"type": "text", "text": {"body": "Where is my order?"}}
        self.do(self.steps.customer(person, "messages", message, goes_to=goes_to, held=held))

    @rule(person=people, goes_to=gateways, held=st.booleans())
    def a_customer_reads(self, *, person: str, goes_to: int, held: bool) -> None:
        self.do(self.steps.customer(person, "reads", {}, goes_to=goes_to, held=held))

    @rule(seconds=times_passed)
    def time_passes(self, seconds: int) -> None:
        self.do(self.world.control("clock", {"advance_seconds": seconds}))

    @precondition(lambda self: self.oracle.opened)
    @rule(which=any_of_them, after=st.sampled_from((-300, 30, MARGIN + 30)))
    def a_window_closes(self, which: int, after: int) -> None:
        self.pass_until(self.opened(which), DAY - MARGIN + after)

    @precondition(lambda self: self.oracle.opened)
    @rule(nth=gateways, which=any_of_them, after=st.sampled_from((HOUR, 23 * HOUR - 300, 23 * HOUR + 300)))
    def whatsapp_denies_a_window(self, nth: int, which: int, after: int) -> None:
        person = self.opened(which)
        self.pass_until(person, after)
        for trouble in (SYNC, NONE):
            self.do(self.steps.send(nth, text(person), None, trouble))

    @rule(nth=gateways, body=bodies, key=keys)
    def a_caller_sends(self, *, nth: int, body: Any, key: str | None) -> None:
        self.do(self.steps.send(nth, body, key))

    @rule(
        nth=gateways,
        body=bodies,
        key=keys,
        trouble=st.sampled_from(TROUBLES),
        style=styles,
        patient=st.booleans(),
    )
    def a_caller_sends_in_trouble(
        self, *, nth: int, body: Any, key: str | None, trouble: Trouble, style: str, patient: bool
    ) -> None:
        self.do(self.steps.send(nth, body, key, trouble, style=style, patient=patient))

    @precondition(lambda self: self.keyed())
    @rule(nth=gateways, which=any_of_them, turned=st.booleans(), trouble=troubles, style=styles)
    def a_caller_sends_it_again(
        self, *, nth: int, which: int, turned: bool, trouble: Trouble, style: str
    ) -> None:
        one = _one_of(self.keyed(), which)
        self.do(self.steps.send(nth, one.body, one.key, trouble, style=style, turned=turned))

    @rule(times=st.integers(2, 4), body=bodies, key=keys, style=styles, lost=st.booleans())
    def callers_send_at_once(self, *, times: int, body: Any, key: str | None, style: str, lost: bool) -> None:
        trouble = LOST_ANSWER if lost and key else NONE
        self.do(self.steps.send_at_once(times, body, key, trouble, style=style))

    @precondition(lambda self: self.oracle.sends)
    @rule(
        nth=gateways,
        which=any_of_them,
        word=st.sampled_from(("accepted", "failed", "resend", "resend")),
        trouble=troubles,
        style=styles,
    )
    def an_operator_settles(self, *, nth: int, which: int, word: str, trouble: Trouble, style: str) -> None:
        unknown = [one for one in self.oracle.sends.values() if one.stands == "unknown"]
        one = _one_of(unknown or list(self.oracle.sends.values()), which)
        self.do(self.steps.settle(nth, one, word, trouble, style))

    @precondition(lambda self: self.world.post.held)
    @rule(nth=gateways, order=st.randoms(use_true_random=False), times=st.integers(1, 2))
    def what_was_held_arrives(self, nth: int, order: Random, times: int) -> None:
        self.do(self.steps.release(nth, order, times))

    @precondition(lambda self: self.world.post.delivered)
    @rule(nth=gateways, which=st.lists(any_of_them, min_size=1, max_size=3))
    def whatsapp_repeats_itself(self, nth: int, which: list[int]) -> None:
        self.do(self.steps.repeat(nth, which))

    @precondition(lambda self: self.oracle.sends)
    @rule(nth=gateways, which=any_of_them)
    def somebody_looks(self, nth: int, which: int) -> None:
        self.do(self.steps.look(nth, _one_of(list(self.oracle.sends.values()), which)))

    @invariant()
    def nothing_is_sent_twice_or_lost(self) -> None:
        self.do(self.steps.count())

    def opened(self, which: int) -> str:
        return list(self.oracle.opened)[which % len(self.oracle.opened)]

    def pass_until(self, person: str, after: int) -> None:
        """Time passes until so many seconds after the person last wrote."""
        left = self.oracle.opened[person] + after - self.steps.now
        if left > 0:
            self.do(self.world.control("clock", {"advance_seconds": left}))

    def keyed(self) -> list[Sent]:
        return [one for one in self.oracle.sends.values() if one.key]


def _one_of(sends: list[Sent], which: int) -> Sent:
    return sends[which % len(sends)]


@pytest.mark.timeout(0)
def test_any_history_of_sends(
    databases: Callable[[], AbstractAsyncContextManager[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sending, "databases", staticmethod(databases), raising=False)
    monkeypatch.setattr(settler, "PATIENCE", settler.PATIENCE)  # put back what the steps leave
    run_state_machine_as_test(
        Sending,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=[one for one in Phase if one is not Phase.explain],  # it traces every line
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
