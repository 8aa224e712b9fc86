"""A cursor never passes what is still on its way; what is parked keeps its order."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.deliveries.parking import AT_ONCE, ParkingLot
from gateway.deliveries.parts import Part
from gateway.deliveries.poster import Answer
from gateway.store.deliveries import Cursor, Note, Parked

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ANN, DESTINATION = UUID(int=1), UUID(int=2)


@given(st.permutations(range(1, 9)), st.integers(0, 8))
def test_a_cursor_stands_before_the_first_event_on_its_way(order: list[int], done: int) -> None:
    part = Part.of(Cursor(0, 0, "[]"))
    for position in range(1, 9):
        part.on_the_way[position] = None
        part.read = position
    for position in order[:done]:
        del part.on_the_way[position]

    left = set(range(1, 9)) - set(order[:done])
    assert part.done == (min(left) - 1 if left else 8)


def test_a_note_that_was_not_kept_is_made_again_with_what_came_since() -> None:
    part = Part.of(Cursor(0, 5, "[]"))
    part.delivered, part.read = 3, 8
    lost = part.note(DESTINATION)
    assert isinstance(lost, Note)
    part.unnoted(lost)
    part.delivered += 1

    again = part.note(DESTINATION)

    assert again is not None
    assert (lost.delivered, again.delivered, again.position) == (3, 4, 8)


def test_what_a_destination_says_is_noted_while_nothing_gets_through() -> None:
    part = Part.of(Cursor(0, 5, "[]"))
    part.on_the_way[6] = None
    assert part.note(DESTINATION) is None
    part.answered(6, Answer(502, None, None, 0.01), NOW)
    note = part.note(DESTINATION)

    assert note is not None
    assert (note.position, note.delivered) == (5, 0)
    assert '"status":502' in note.answers
    assert part.note(DESTINATION) is None
    part.unnoted(note)
    assert part.note(DESTINATION) == note


def parked(position: int, conversation: UUID = ANN, **given: Any) -> Parked:
    known = {"attempts": 0, "parked_at": NOW, "next_at": NOW}
    return Parked(position, 0, conversation, **(known | given))


def test_what_was_parked_before_a_crash_is_not_parked_twice() -> None:
    lot = ParkingLot()
    lot.fill([parked(3), parked(4)])

    for position, is_new in ((3, False), (4, False), (5, True)):
        with lot.arriving(parked(position)) as found:
            assert found is is_new
    assert lot.count == 3


def test_a_conversation_waits_while_one_of_its_events_is_being_stored() -> None:
    lot = ParkingLot()
    with lot.arriving(parked(3)):
        assert lot.has(ANN)
        assert lot.due(NOW) == []
        assert lot.has(ANN)
    assert lot.due(NOW) == [ANN]
    with lot.trying(ANN) as queue:
        assert lot.due(NOW) == []
        with lot.arriving(parked(4)):
            lot.leave(queue)
            assert queue == deque()
    # The event that came meanwhile is next, and nothing overtakes it.
    assert lot.has(ANN)
    with lot.trying(ANN) as queue:
        assert [one.position for one in queue] == [4]
        lot.leave(queue)
    assert not lot.has(ANN)


def test_of_many_that_are_due_some_are_tried_at_once() -> None:
    lot = ParkingLot()
    lot.fill(parked(number, conversation=UUID(int=number)) for number in range(1, 2 * AT_ONCE + 2))

    first = lot.due(NOW)
    assert len(first) == AT_ONCE
    with ExitStack() as tried:
        for conversation in first:
            lot.leave(tried.enter_context(lot.trying(conversation)))
        assert lot.due(NOW) == []
    assert len(lot.due(NOW)) == AT_ONCE
    assert len(lot.due(NOW)) == 1


def test_what_failed_is_due_when_the_schedule_says() -> None:
    lot, one = ParkingLot(), parked(3, attempts=2)
    lot.put_off(one, NOW)
    lot.fill([one])

    assert lot.due(NOW + timedelta(seconds=29)) == []
    assert lot.due(NOW + timedelta(seconds=37)) == [ANN]
