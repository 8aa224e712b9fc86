from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_events import HOUR, NOW, call, made, message, send_failed, status

from domain.events import CallReceived, Event, MessageReceived, SendFailed, SendUnknown, StatusReceived
from domain.window import EMPTY, Window, as_of, disputed_by, fold, merge, open_until, sendable_until

DAY = 24 * HOUR


def folded(events: Sequence[Event]) -> Window:
    return reduce(fold, events, EMPTY)


# --- The rule in prose, over the whole set of events at once: slow, and written without the module's maxima.


def _refusals(events: Sequence[Event]) -> list[tuple[int, str]]:
    found = []
    for event in events:
        if isinstance(event, SendFailed) and event.code == 131047:
            found.append((event.dispatched_at, event.send_id))
        if isinstance(event, StatusReceived) and (event.status, event.code) == ("failed", 131047):
            at = event.at_used if event.dispatched_at is None else event.dispatched_at
            if event.source != "standby":
                found.append((at, event.send_id or event.message_key))
    return found


def _openers(events: Sequence[Event]) -> list[tuple[int, str, bool]]:
    inbound = [event for event in events if isinstance(event, MessageReceived | CallReceived)]
    changes = [event.at_used for event in inbound if event.opens == "closes"]
    return [
        (
            event.at_used,
            event.message_key if isinstance(event, MessageReceived) else event.call_key,
            event.opens == "confirmed",
        )
        for event in inbound
        if event.opens in ("confirmed", "assumed") and all(event.at_used > change for change in changes)
    ]


def _is_doubted(refused_at: int, openers: list[tuple[int, str, bool]]) -> bool:
    return any(confirmed and refused_at - 23 * HOUR < at <= refused_at for at, _, confirmed in openers)


def oracle(events: Sequence[Event]) -> tuple[int | None, str | None, str | None]:
    """(open_until, opened_by, disputed_by)."""
    openers, refusals = _openers(events), _refusals(events)
    counting = [
        (at, key)
        for at, key, _ in openers
        if all(_is_doubted(refused_at, openers) for refused_at, _ in refusals if refused_at >= at)
    ]
    if not counting:
        return None, None, None
    at, key = max(counting)
    doubted = [refusal for refusal in refusals if refusal[0] >= at]
    return at + DAY, key, max(doubted)[1] if doubted else None


def seen(window: Window) -> tuple[int | None, str | None, str | None]:
    until = open_until(window)
    return until, None if until is None else window.opened_by, disputed_by(window)


# Times crowd around the borders of the rule: ties, 23 h and 24 h apart, and a second beside them.
times = st.builds(lambda hours, second: NOW + hours * HOUR + second, st.integers(0, 50), st.integers(-1, 1))
keys = st.sampled_from("abc")
some_event = st.one_of(
    st.builds(
        lambda at, key, opens: message(at, opens, message_key=key),
        times,
        keys,
        st.sampled_from(["confirmed", "assumed", None]),
    ),
    st.builds(
        lambda at, key, opens: call(at, opens, call_key=key),
        times,
        keys,
        st.sampled_from(["confirmed", None]),
    ),
    st.builds(lambda at: message(at, "closes", type="system"), times),
    st.builds(
        lambda at, key, code: send_failed(at, code, send_id=key), times, keys, st.sampled_from([131047, 100])
    ),
    st.builds(
        lambda at, key, left, source: status(
            at, "failed", code=131047, message_key=key, dispatched_at=left, source=source
        ),
        times,
        keys,
        st.none() | times,
        st.sampled_from(["live", "standby"]),
    ),
    st.builds(
        lambda at, origin, ends: status(at, "sent", conversation={"origin": origin, "expires_at": ends}),
        times,
        st.sampled_from(["referral_conversion", "referral-conversion", "service"]),
        times,
    ),
)
some_events = st.lists(some_event, max_size=8)


@given(some_events)
def test_the_maxima_say_what_the_rule_in_prose_says(events: list[Event]) -> None:
    assert seen(folded(events)) == oracle(events)


@given(some_events, st.data())
def test_order_repetition_and_split_over_linked_streams_do_not_matter(
    events: list[Event], data: st.DataObject
) -> None:
    twice = data.draw(st.permutations([*events, *events]))
    cuts = sorted(data.draw(st.tuples(st.integers(0, len(twice)), st.integers(0, len(twice)))))
    streams = [twice[: cuts[0]], twice[cuts[0] : cuts[1]], twice[cuts[1] :]]
    linked = reduce(merge, data.draw(st.permutations([folded(stream) for stream in streams])), EMPTY)
    assert linked == folded(events)
    assert merge(linked, linked) == linked


@given(some_events, times)
def test_as_of_a_time_nothing_later_is_known(events: list[Event], at: int) -> None:
    times_of = {id(event): _refusals([event])[0][0] for event in events if _refusals([event])}
    earlier = [event for event in events if times_of.get(id(event), getattr(event, "at_used", 0)) <= at]
    assert seen(as_of(events, at)) == oracle(earlier)


def test_a_window_is_open_until_24_hours_after_the_newest_opener() -> None:
    opened = folded([message(NOW), call(NOW - HOUR)])
    assert open_until(opened) == NOW + DAY
    assert opened.opened_by == f"m{NOW}"
    assert opened.is_open(NOW + DAY - 1)
    assert not opened.is_open(NOW + DAY)
    assert sendable_until(opened, 60) == NOW + DAY - 60


def test_a_person_never_seen_has_no_window() -> None:
    assert open_until(EMPTY) is None
    assert sendable_until(EMPTY, 60) is None
    assert disputed_by(EMPTY) is None
    assert not EMPTY.is_open(NOW)


def test_of_two_openers_at_one_time_the_larger_key_is_named() -> None:
    assert folded([message(NOW, message_key="b"), message(NOW, message_key="a")]).opened_by == "b"


@pytest.mark.parametrize(
    ("before_send", "opens", "expected"),
    [
        (10 * 60, "confirmed", True),
        (23 * HOUR - 1, "confirmed", True),
        (23 * HOUR, "confirmed", False),
        (10 * 60, "assumed", False),
        (0, "confirmed", True),
        (0, "assumed", False),
    ],
)
def test_a_131047_is_doubted_only_less_than_23_hours_after_a_confirmed_opener(
    before_send: int, opens: str, *, expected: bool
) -> None:
    after = folded([message(NOW - before_send, opens), send_failed(NOW)])
    assert (open_until(after) is not None) is expected
    assert disputed_by(after) == (f"s{NOW}" if expected else None)


def test_an_opener_after_the_refused_dispatch_opens_again() -> None:
    after = folded([message(NOW - 24 * HOUR), send_failed(NOW), message(NOW + 1)])
    assert open_until(after) == NOW + 1 + DAY
    assert disputed_by(after) is None


def test_a_failed_status_counts_from_its_dispatch_not_from_its_arrival() -> None:
    refused = status(NOW + HOUR, "failed", code=131047, dispatched_at=NOW - HOUR, send_id="s")
    assert open_until(folded([message(NOW, "assumed"), refused])) == NOW + DAY


def test_a_refusal_names_our_send_where_it_is_ours_and_the_message_otherwise() -> None:
    ours = status(NOW, "failed", code=131047, send_id="s", message_key="m")
    assert folded([ours]).refused_by == "s"
    assert folded([status(NOW, "failed", code=131047, message_key="m")]).refused_by == "m"


def test_a_changed_number_starts_with_a_closed_window() -> None:
    changed = [message(NOW), message(NOW, "closes", type="system")]
    assert open_until(folded(changed)) is None
    assert open_until(folded([*changed, message(NOW + 1)])) == NOW + 1 + DAY


def test_a_confirmed_opener_of_the_old_number_disputes_nothing() -> None:
    events = [message(NOW), message(NOW + 1, "closes"), message(NOW + 2, "assumed"), send_failed(NOW + 3)]
    assert open_until(folded(events)) is None


def test_the_free_entry_point_ends_when_whatsapp_says_and_opens_nothing() -> None:
    conversation = {"origin": "referral_conversion", "expires_at": NOW + 72 * HOUR}
    after = folded([status(NOW, "sent", conversation=conversation)])
    assert after.free_entry_until == NOW + 72 * HOUR
    assert open_until(after) is None


@pytest.mark.parametrize(
    "conversation",
    [None, {}, {"origin": "service", "expires_at": NOW}, {"origin": "referral_conversion"}, {"origin": None}],
)
def test_any_other_conversation_is_no_free_entry_point(conversation: dict[str, object] | None) -> None:
    assert folded([status(NOW, "sent", conversation=conversation)]) == EMPTY


def test_events_that_say_nothing_about_the_window_leave_the_same_window() -> None:
    before = folded([message(NOW)])
    unknown = made(SendUnknown, send_id="s", attempt=1, dispatched_at=NOW, code=131047)
    for event in (message(NOW, None), call(NOW, None), status(NOW, "read"), send_failed(NOW, 100), unknown):
        assert fold(before, event) is before
    assert fold(before, status(NOW, "failed", code=131047, source="standby")) is before
    assert as_of([unknown], NOW) == EMPTY
