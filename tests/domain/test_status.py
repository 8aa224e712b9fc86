from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_events import NOW, made, message, send_failed, status

from domain.events import (
    Event,
    SendAccepted,
    SendDispatched,
    SendRefused,
    SendRequested,
    SendSettled,
    SendUnknown,
)
from domain.status import EMPTY, MessageState, fold, merge

DECIDED = {
    "send_id": "s",
    "caller": "crm",
    "face": "cloud",
    "kind": "free_form",
    "type": "text",
    "decision": {},
}
REQUESTED = made(SendRequested, **DECIDED)
REFUSED = made(SendRefused, **DECIDED)


def folded(events: Sequence[Event]) -> MessageState:
    return reduce(fold, events, EMPTY)


def accepted(attempt: int = 1) -> SendAccepted:
    return made(SendAccepted, send_id="s", attempt=attempt, dispatched_at=NOW, message_key="m")


def unknown(attempt: int = 1, code: int | None = None) -> SendUnknown:
    return made(SendUnknown, send_id="s", attempt=attempt, dispatched_at=NOW, code=code)


def settled(settled_as: str, attempt: int = 1) -> SendSettled:
    return made(SendSettled, send_id="s", attempt=attempt, settled_as=settled_as, by="operator")


words = st.sampled_from(["sent", "delivered", "read", "played", "failed", "deleted", "warning", "dreamt"])
prices = st.none() | st.fixed_dictionaries({"category": st.sampled_from(["utility", "marketing"])})
some_event = st.one_of(
    st.just(REQUESTED),
    st.builds(accepted, st.integers(1, 3)),
    st.builds(unknown, st.integers(1, 3), st.sampled_from([None, 131000])),
    st.builds(
        lambda at, code, attempt: send_failed(at, code, attempt=attempt),
        st.integers(NOW, NOW + 3),
        st.sampled_from([None, 100, 131047]),
        st.integers(1, 3),
    ),
    st.builds(settled, st.sampled_from(["accepted", "failed", "resend"]), st.integers(1, 3)),
    st.builds(
        lambda at, word, code, pricing: status(at, word, code=code, pricing=pricing),
        st.integers(NOW, NOW + 3),
        words,
        st.sampled_from([None, 131026, 131047]),
        prices,
    ),
)


@given(st.lists(some_event, max_size=8), st.data())
def test_order_repetition_and_split_do_not_matter(events: list[Event], data: st.DataObject) -> None:
    twice = data.draw(st.permutations([*events, *events]))
    cut = data.draw(st.integers(0, len(twice)))
    halves = data.draw(st.permutations([folded(twice[:cut]), folded(twice[cut:])]))
    assert merge(*halves) == folded(events)


@given(st.lists(some_event, max_size=8), some_event)
def test_a_state_never_goes_backwards(events: list[Event], one_more: Event) -> None:
    ladder = ("sent", "delivered", "read", "played")
    before, after = folded(events).state, folded([*events, one_more]).state
    if before in ladder:
        assert after == "failed" if (before, after) == ("sent", "failed") else after in ladder
        assert after == "failed" or ladder.index(after) >= ladder.index(before)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([REQUESTED], "requested"),
        ([REFUSED], "refused"),
        ([REQUESTED, made(SendDispatched, send_id="s", attempt=1)], "requested"),
        ([REQUESTED, accepted()], "accepted"),
        ([REQUESTED, unknown()], "unknown"),
        ([REQUESTED, send_failed(NOW)], "failed"),
        ([REQUESTED, unknown(), settled("accepted")], "accepted"),
        ([REQUESTED, unknown(), settled("failed")], "failed"),
        ([REQUESTED, unknown(), settled("resend")], "requested"),
        ([REQUESTED, unknown(), settled("resend"), send_failed(NOW, attempt=2)], "failed"),
        ([REQUESTED, unknown(1), unknown(2), accepted(1)], "accepted"),
        ([REQUESTED, send_failed(NOW, 130429), accepted(2)], "accepted"),
        ([REQUESTED, unknown(), status(NOW, "sent")], "sent"),
        ([accepted(), status(NOW, "delivered")], "delivered"),
        ([status(NOW, "read"), status(NOW, "sent")], "read"),
        ([status(NOW, "played"), status(NOW, "read")], "played"),
        ([status(NOW, "sent"), status(NOW, "failed")], "failed"),
        ([status(NOW, "failed"), status(NOW, "delivered")], "delivered"),
        ([status(NOW, "deleted")], "accepted"),
        ([status(NOW, "sent"), status(NOW, "warning")], "sent"),
    ],
)
def test_the_state_is_one_word(events: list[Event], state: str) -> None:
    assert folded(events).state == state


def test_delivered_though_failed_is_a_contradiction() -> None:
    assert folded([status(NOW, "failed"), status(NOW, "read")]).contradicted
    assert not folded([status(NOW, "failed"), status(NOW, "sent")]).contradicted
    assert not folded([status(NOW, "delivered")]).contradicted


def test_delivered_at_is_the_smallest_time_that_proves_the_delivery() -> None:
    late = folded([status(NOW + 9, "delivered"), status(NOW + 5, "read"), status(NOW + 7, "played")])
    assert (late.sent_at, late.delivered_at, late.read_at) == (None, NOW + 5, NOW + 5)


def test_a_failure_is_told_by_the_status_rather_than_by_the_answer() -> None:
    assert folded([send_failed(NOW, 100)]).failure == (100, NOW)
    both = [send_failed(NOW, 100), status(NOW + 5, "failed", code=131026), status(NOW + 9, "failed", code=1)]
    assert folded(both).failure == (131026, NOW + 5)
    assert folded([unknown(code=131000)]).failure is None
    assert folded([send_failed(NOW, 130429), accepted(2)]).failure is None


def test_the_newest_attempt_tells_why_it_failed() -> None:
    assert folded([send_failed(NOW + 9, 100), send_failed(NOW, 131047, attempt=2)]).failure == (131047, NOW)


@pytest.mark.parametrize(
    ("first", "second", "category"),
    [
        (("sent", {"category": "utility"}), ("delivered", {"category": "service"}), "service"),
        (("delivered", {"category": "utility"}), ("read", None), "utility"),
        (("read", {"category": "utility"}), ("failed", {"category": "service"}), "utility"),
    ],
)
def test_the_pricing_of_the_furthest_status_that_has_one_is_kept(
    first: tuple[str, Any], second: tuple[str, Any], category: str
) -> None:
    state = folded([status(NOW, word, pricing=pricing) for word, pricing in (first, second)])
    assert state.pricing is not None
    assert state.pricing["category"] == category


@pytest.mark.parametrize("turn", [1, -1])
def test_what_is_told_twice_at_one_time_is_settled_by_its_value(turn: int) -> None:
    failures = [status(NOW, "failed", code=code) for code in (131026, 131049)]
    prices = [status(NOW, "sent", pricing={"category": word}) for word in ("marketing", "utility")]
    state = folded([*failures[::turn], *prices[::turn]])
    assert (state.failed_code, state.pricing) == (131049, {"category": "utility"})


def test_inbound_messages_say_nothing_about_an_outbound_one() -> None:
    assert fold(EMPTY, message(NOW)) is EMPTY
