from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from histories import LINES, log_of, made, message
from logs import SCHEMA, MemoryLog, project

from domain.events import Event, SendAccepted, SendRequested, SendSettled, SendUnknown, StatusReceived
from gateway.store.postgres import Pool
from projections.counts import GROUPS, CountsProjection, Report

LATE = int(datetime(2026, 10, 24, 22, 30, tzinfo=UTC).timestamp())
"""Half past ten in the evening of 24 October in London is 00:30 of the 25th in Berlin."""

REGULAR = {"model": "PMP", "type": "regular", "category": "utility"}


def status(word: str, at: int, **public: Any) -> StatusReceived:
    return made(
        StatusReceived, **({"status": word, "at_used": at, "source": "live", "market": "44"} | public)
    )


def requested(send_id: str, **public: Any) -> SendRequested:
    known = {"caller": "crm", "face": "cloud", "kind": "template", "type": "template", "decision": {}}
    return made(SendRequested, send_id=send_id, **(known | public))


def accepted(send_id: str, key: str, at: int) -> SendAccepted:
    return made(SendAccepted, send_id=send_id, attempt=1, dispatched_at=at, message_key=key)


async def report(pool: Pool, history: Sequence[Event], **asked: Any) -> Report:
    await project(pool, MemoryLog(log_of(history)))
    days = {"from_day": date(2026, 10, 1), "to_day": date(2026, 11, 1), "time_zone": "Europe/Berlin"}
    async with pool.acquire() as db:
        return await CountsProjection(SCHEMA).report(db, **(days | asked))


async def test_a_message_is_delivered_once_at_its_oldest_proof_of_delivery(pool: Pool) -> None:
    key = str(uuid4())
    history = [
        status("played", LATE + 90_000, message_key=key),
        status("read", LATE, message_key=key),
        status("delivered", LATE + 60, message_key=key),
        status("delivered", LATE - 90_000, message_key=key, source="standby"),
        status("sent", LATE - 90_000, message_key=key),
    ]

    counted = await report(pool, history)

    assert counted.rows == [row(date(2026, 10, 25), delivered=1)]
    assert counted.as_of == len(history)


async def test_days_are_those_of_the_zone_asked_for(pool: Pool) -> None:
    history = [status("delivered", LATE, message_key=str(uuid4()))]

    in_berlin = await report(pool, history, to_day=date(2026, 10, 25))
    in_london = await report(pool, history, to_day=date(2026, 10, 25), time_zone="Europe/London")

    assert in_berlin.totals["delivered"] == 0
    assert in_london.rows == [row(date(2026, 10, 24), delivered=1)]


async def test_in_a_group_each_participant_counts_and_the_send_once(pool: Pool) -> None:
    send, key = str(uuid4()), str(uuid4())
    history = [
        requested(send, category="utility"),
        accepted(send, key, LATE),
        *(status("delivered", LATE + 1, message_key=key, participant_key=str(UUID(int=n))) for n in (1, 2)),
    ]

    counted = await report(pool, history, group_by=["category", "caller"])

    groups = {"category": "utility", "caller": "crm"}
    assert counted.rows == [groups | {"accrued": 1, "delivered": 2, "free": 0, "billable_whatsapp": 0}]


@pytest.mark.parametrize(
    ("pricing", "free", "billable"),
    [
        (None, 0, 0),
        (REGULAR, 0, 1),
        (REGULAR | {"subtype": "paid_exempt"}, 1, 0),
        (REGULAR | {"type": "free_customer_service", "billable": True}, 1, 0),
        ({"model": "CBP", "billable": True}, 0, 1),
        ({"model": "CBP", "billable": False}, 1, 0),
    ],
)
async def test_whatsapps_own_pricing_says_what_is_billable(
    pool: Pool, pricing: dict[str, Any] | None, free: int, billable: int
) -> None:
    key = str(uuid4())
    history = [
        status("sent", LATE - 5, message_key=key, pricing=pricing),
        status("delivered", LATE, message_key=key),
    ]

    counted = await report(pool, history, group_by=[])

    assert counted.totals == {"accrued": 0, "delivered": 1, "free": free, "billable_whatsapp": billable}


async def test_a_send_counts_with_its_own_terms_and_whatsapps_beside_them(pool: Pool) -> None:
    send, key = str(uuid4()), str(uuid4())
    history = [
        requested(send, template="receipt", category="marketing"),
        accepted(send, key, LATE - 7200),
        status("delivered", LATE, message_key=key, pricing=REGULAR),
    ]

    counted = await report(pool, history, group_by=GROUPS)

    terms = {
        "month": date(2026, 10, 1),
        "line": LINES[0],
        "market": "44",
        "category": "marketing",
        "type": "template",
        "template": "receipt",
        "caller": "crm",
        "pricing_model": "PMP",
        "pricing_type": "regular",
        "pricing_category": "utility",
    }
    assert counted.rows == [
        row(date(2026, 10, 24), accrued=1) | terms,
        row(date(2026, 10, 25), delivered=1, billable_whatsapp=1) | terms,
    ]


async def test_an_unknown_send_counts_once_it_is_settled_as_accepted(pool: Pool) -> None:
    settled, open_ = str(uuid4()), str(uuid4())
    history = [
        event
        for send in (settled, open_)
        for event in (requested(send), made(SendUnknown, send_id=send, attempt=1, dispatched_at=LATE))
    ]
    history.append(made(SendSettled, send_id=settled, attempt=1, settled_as="accepted", by="operator"))

    counted = await report(pool, history)

    assert counted.rows == [row(date(2026, 10, 25), accrued=1)]


async def test_a_free_form_message_is_of_category_service_unless_whatsapp_says_otherwise(pool: Pool) -> None:
    plain, priced, key = str(uuid4()), str(uuid4()), str(uuid4())
    history = [
        requested(plain, kind="free_form", type="text"),
        accepted(plain, str(uuid4()), LATE),
        requested(priced, kind="free_form", type="text"),
        accepted(priced, key, LATE),
        status("sent", LATE, message_key=key, pricing=REGULAR),
    ]

    counted = await report(pool, history, group_by=["category"])

    assert [(one["category"], one["accrued"]) for one in counted.rows] == [("service", 1), ("utility", 1)]


async def test_a_report_of_one_line_leaves_out_the_others_and_what_came_in(pool: Pool) -> None:
    history = [
        status("delivered", LATE, message_key=str(uuid4())),
        status("delivered", LATE, message_key=str(uuid4()), line=LINES[1]),
        message(at_used=LATE),
    ]

    counted = await report(pool, history, line=LINES[1], group_by=["line"])

    assert [(one["line"], one["delivered"]) for one in counted.rows] == [(LINES[1], 1)]


async def test_an_unknown_zone_is_an_error(pool: Pool) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await report(pool, [], time_zone="Europe/Atlantis")


def row(day: date, **counts: int) -> dict[str, Any]:
    return {"day": day, "accrued": 0, "delivered": 0, "free": 0, "billable_whatsapp": 0} | counts
