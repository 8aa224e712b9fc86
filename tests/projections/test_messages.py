from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from histories import LINES, NOW, REFERENCES, log_of, made, message
from logs import SCHEMA, MemoryLog, project

from domain.events import (
    Event,
    SendAccepted,
    SendFailed,
    SendRefused,
    SendRequested,
    SendUnknown,
    StatusReceived,
)
from gateway.store.postgres import Pool
from projections.messages_query import MessageLife, Messages

FIRST, SECOND, THIRD = (str(UUID(int=n)) for n in (1, 2, 3))
KEY = str(UUID(int=9))


def asked(cls: type[SendRequested | SendRefused], send_id: str, **public: Any) -> Event:
    known = {"caller": "crm", "face": "cloud", "kind": "free_form", "type": "text", "decision": {}}
    return made(cls, send_id=send_id, **(known | public))


def accepted(send_id: str, key: str = KEY) -> Event:
    return made(SendAccepted, send_id=send_id, attempt=1, dispatched_at=NOW, message_key=key)


def status(word: str, at: int = NOW, **public: Any) -> Event:
    return made(
        StatusReceived, **({"status": word, "at_used": at, "source": "live", "message_key": KEY} | public)
    )


async def search(pool: Pool, history: Sequence[Event], **filters: Any) -> list[MessageLife]:
    await project(pool, MemoryLog(log_of(history)))
    async with pool.acquire() as db:
        return await Messages(SCHEMA).search(db, **filters)


async def test_a_status_without_our_send_id_finds_its_send_by_the_message(pool: Pool) -> None:
    history = [status("delivered"), accepted(FIRST), asked(SendRequested, FIRST)]

    (found,) = await search(pool, history)

    assert (found.send_id, found.message_key, found.state) == (UUID(FIRST), UUID(KEY), "delivered")
    assert (found.direction, found.type, found.line) == ("outbound", "text", LINES[0])


async def test_an_unknown_send_is_known_by_the_first_status_that_carries_its_id(pool: Pool) -> None:
    unknown = made(SendUnknown, send_id=FIRST, attempt=1, dispatched_at=NOW)
    history = [asked(SendRequested, FIRST), unknown, status("sent", send_id=FIRST)]

    (found,) = await search(pool, history)

    assert found.state == "sent"


async def test_a_message_that_came_in_has_no_state(pool: Pool) -> None:
    (found,) = await search(pool, [message(type="image")])

    assert (found.direction, found.state, found.type, found.send) == ("inbound", None, "image", None)


async def test_a_search_by_reference_finds_all_sends_with_one_of_them(pool: Pool) -> None:
    history = [
        asked(SendRequested, FIRST, references=REFERENCES),
        asked(SendRefused, SECOND, references=REFERENCES[1:]),
        asked(SendRequested, THIRD),
        message(),
    ]

    found = await search(pool, history, references=[UUID(REFERENCES[1])])
    none = await search(pool, [], references=[uuid4()])

    assert [one.send_id for one in found] == [UUID(FIRST), UUID(SECOND)]
    assert none == []


async def test_a_search_by_state_judges_the_whole_message(pool: Pool) -> None:
    failed = made(SendFailed, send_id=SECOND, attempt=1, dispatched_at=NOW, code=131026)
    history = [
        asked(SendRequested, FIRST),
        accepted(FIRST),
        status("failed", participant_key=str(UUID(int=5))),
        status("delivered", participant_key=str(UUID(int=6))),
        asked(SendRequested, SECOND),
        failed,
        asked(SendRefused, THIRD),
        status("read", message_key=str(uuid4())),
        message(),
    ]

    states = {
        state: [one.send_id for one in await search(pool, history, state=state)]
        for state in ("failed", "delivered", "refused", "read", "accepted")
    }

    assert states == {
        "failed": [UUID(SECOND)],
        "delivered": [UUID(FIRST)],
        "refused": [UUID(THIRD)],
        "read": [None],
        "accepted": [],
    }


async def test_a_search_goes_on_behind_what_it_had_to_leave_out(pool: Pool) -> None:
    contradicted = [
        event
        for n in range(5)
        for event in (
            status("failed", message_key=str(UUID(int=50 + n)), participant_key=str(UUID(int=1))),
            status("delivered", message_key=str(UUID(int=50 + n)), participant_key=str(UUID(int=2))),
        )
    ]

    found = await search(pool, [*contradicted, status("failed")], state="failed", limit=2)

    assert [one.message_key for one in found] == [UUID(KEY)]


async def test_a_search_by_line_and_time_keeps_to_both(pool: Pool) -> None:
    late = datetime.fromtimestamp(NOW + 60, UTC)
    history = [
        asked(SendRequested, FIRST),
        asked(SendRequested, SECOND, timestamp=late),
        asked(SendRequested, THIRD, line=LINES[1]),
        message(at_used=NOW),
        message(at_used=NOW + 60),
        message(at_used=NOW, line=LINES[1]),
    ]

    early = await search(pool, history, line=LINES[0], to_time=NOW + 60)
    later = await search(pool, [], line=LINES[0], from_time=NOW + 60)

    assert [one.position for one in early] == [1, 4]
    assert [one.position for one in later] == [2, 5]


async def test_the_fields_of_a_life_are_those_of_its_events(pool: Pool) -> None:
    pricing = {"model": "PMP", "type": "regular", "category": "utility", "billable": True}
    history = [
        asked(SendRequested, FIRST, category="utility", market="44"),
        accepted(FIRST),
        status("sent", NOW + 1),
        status("read", NOW + 2, pricing=pricing),
        status("failed", NOW + 3, code=131053),
    ]

    (found,) = await search(pool, history)

    known = found.known
    assert (known.sent_at, known.delivered_at, known.read_at) == (NOW + 1, NOW + 2, NOW + 2)
    assert (found.state, known.contradicted, known.failure) == ("read", True, (131053, NOW + 3))
    assert known.pricing == pricing
    assert found.send is not None
    assert found.send.request is not None
    assert (found.send.request.position, found.send.market, found.send.category) == (1, "44", "utility")
