"""The report of deliveries, from histories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from histories import LINES, SENDS, histories, log_of, made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import SCHEMA, MemoryLog, project, start_over

from domain.events import (
    Event,
    SendAccepted,
    SendFailed,
    SendRefused,
    SendRequested,
    SendSettled,
    SendUnknown,
    StatusReceived,
)
from gateway.store.postgres import Pool
from projections.delivery import COUNTS, Delivery, DeliveryReport, Failure
from projections.messages_query import life

AT = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
"""In London 24 October, in Berlin the 25th."""
DISPATCHED = int(AT.timestamp())
ALLOWED = {"allowed": True, "reason": "window_open"}
SEND, KEY = str(UUID(int=1)), str(UUID(int=2))


def requested(send: str = SEND, **public: Any) -> SendRequested:
    known = {"caller": "crm", "face": "cloud", "kind": "free_form", "type": "text", "timestamp": AT}
    return made(SendRequested, send_id=send, decision=ALLOWED, **(known | public))


def accepted(send: str = SEND, key: str = KEY, **public: Any) -> SendAccepted:
    known = {"attempt": 1, "dispatched_at": DISPATCHED}
    return made(SendAccepted, send_id=send, message_key=key, **(known | public))


def status(word: str, key: str = KEY, after: int = 1, **public: Any) -> StatusReceived:
    known = {"message_key": key, "source": "live", "at_used": DISPATCHED + after}
    return made(StatusReceived, status=word, **(known | public))


async def report(pool: Pool, history: Sequence[Event], **asked: Any) -> DeliveryReport:
    await project(pool, MemoryLog(log_of(history)))
    days = {"from_day": date(2026, 1, 1), "to_day": date(2028, 1, 1), "time_zone": "Europe/Berlin"}
    async with pool.acquire() as db:
        return await Delivery(SCHEMA).report(db, **(days | asked))


FAILED = made(SendFailed, send_id=SEND, attempt=1, dispatched_at=DISPATCHED, code=131026)
UNKNOWN = made(SendUnknown, send_id=SEND, attempt=1, dispatched_at=DISPATCHED)


@pytest.mark.parametrize(
    ("outcome", "counted"),
    [
        ([], set()),
        ([accepted()], {"accepted", "undelivered"}),
        ([UNKNOWN], {"unknown"}),
        ([FAILED], {"failed"}),
        ([accepted(), status("sent")], {"accepted", "sent", "undelivered"}),
        ([accepted(), status("delivered")], {"accepted", "sent", "delivered"}),
        ([accepted(), status("read")], {"accepted", "sent", "delivered", "read"}),
        ([accepted(), status("failed", code=131026)], {"accepted", "failed"}),
        ([accepted(), status("sent"), status("failed", code=131026)], {"accepted", "sent", "failed"}),
        (
            [accepted(), status("failed", code=131026), status("delivered")],
            {"accepted", "sent", "delivered", "contradicted"},
        ),
        ([UNKNOWN, status("delivered", send_id=SEND)], {"accepted", "sent", "delivered"}),
    ],
)
async def test_each_send_counts_for_what_became_of_it(
    pool: Pool, outcome: list[Event], counted: set[str]
) -> None:
    seen = await report(pool, [requested(), *outcome])

    assert {name for name in COUNTS if seen.totals[name]} == {"sends"} | counted
    assert [{name: row[name] for name in COUNTS} for row in seen.rows] == [
        {name: seen.totals[name] for name in COUNTS}
    ]


async def test_refused_sends_are_none_that_could_arrive(pool: Pool) -> None:
    refusal = {"allowed": False, "reason": "window_closed"}
    known = {"caller": "crm", "face": "cloud", "kind": "free_form", "type": "text", "timestamp": AT}
    seen = await report(pool, [made(SendRefused, send_id=SEND, decision=refusal, **known)])

    assert (seen.rows, seen.totals["sends"], seen.totals["failed_rate"]) == ([], 0, None)


async def test_rates_are_shares_of_what_could_have_been(pool: Pool) -> None:
    sends = [str(UUID(int=n)) for n in range(10, 14)]
    keys = [str(UUID(int=n)) for n in range(20, 24)]
    history: list[Event] = [requested(send) for send in sends]
    history += [accepted(send, key) for send, key in zip(sends[:3], keys[:3], strict=True)]
    history += [status("delivered", keys[0]), status("read", keys[1])]
    history += [made(SendFailed, send_id=sends[3], attempt=1, dispatched_at=DISPATCHED, code=131056)]

    totals = (await report(pool, history)).totals

    assert (totals["delivered_rate"], totals["read_rate"], totals["failed_rate"]) == (0.6667, 0.5, 0.25)


async def test_latencies_are_seconds_that_occurred(pool: Pool) -> None:
    history: list[Event] = []
    for n in range(1, 101):
        send, key = str(UUID(int=1000 + n)), str(UUID(int=2000 + n))
        history += [requested(send), accepted(send, key)]
        history += [status("sent", key, after=n), status("delivered", key, after=n + 2 * n)]

    totals = (await report(pool, history)).totals

    assert [totals[f"dispatch_to_sent_{one}"] for one in ("p50", "p90", "p99")] == [50, 90, 99]
    assert [totals[f"sent_to_delivered_{one}"] for one in ("p50", "p90", "p99")] == [100, 180, 198]


async def test_a_latency_that_is_not_known_is_none_and_none_is_negative(pool: Pool) -> None:
    settled = made(SendSettled, send_id=SEND, attempt=1, settled_as="accepted", by="status", message_key=KEY)
    unknown = (await report(pool, [requested(), UNKNOWN, settled, status("sent")])).totals
    assert unknown["dispatch_to_sent_p50"] is unknown["sent_to_delivered_p50"] is None

    await start_over(pool)
    ahead = (await report(pool, [requested(), accepted(), status("sent", after=-2)])).totals
    assert ahead["dispatch_to_sent_p99"] == 0


async def test_failures_are_told_by_line_and_code(pool: Pool) -> None:
    keys = [str(UUID(int=n)) for n in range(20, 23)]
    history: list[Event] = [requested(), FAILED]
    for send, key in zip(SENDS, keys, strict=True):
        history += [requested(send, line=LINES[1]), accepted(send, key, line=LINES[1])]
    history += [status("failed", key, code=131049, line=LINES[1]) for key in keys[:2]]
    history += [status("failed", keys[2], line=LINES[1])]

    seen = await report(pool, history)

    assert seen.failures == [
        Failure(LINES[1], 131049, 2, 0),
        Failure(LINES[0], 131026, 1, 1),
        Failure(LINES[1], None, 1, 0),
    ]
    assert (await report(pool, [], line=LINES[0])).failures == [Failure(LINES[0], 131026, 1, 1)]


async def test_rows_are_by_what_is_asked_for_and_days_those_of_the_zone(pool: Pool) -> None:
    history = [requested(), requested(SENDS[0], type="image", caller="shop")]
    rows = (await report(pool, history, group_by=["type", "caller"])).rows
    assert [(row["caller"], row["type"], row["sends"]) for row in rows] == [
        ("crm", "text", 1),
        ("shop", "image", 1),
    ]
    [day] = (await report(pool, [], group_by=["day"])).rows
    assert (day["day"], day["sends"]) == (date(2026, 10, 25), 2)
    of_the_24th = {"from_day": date(2026, 10, 24), "to_day": date(2026, 10, 25)}
    assert (await report(pool, [], **of_the_24th)).totals["sends"] == 0
    assert (await report(pool, [], **of_the_24th, time_zone="Europe/London")).totals["sends"] == 2


def counted_apart(history: Sequence[Event]) -> tuple[Counter[str], Counter[int | None]]:
    """What the lives of the sends say, one by one: their states, and the codes of the failed ones."""
    log = log_of(history)
    decided = {send: "refused" for send in SENDS for e in history if _is(e, SendRequested, send)}
    refused = {send for send in SENDS for e in history if _is(e, SendRefused, send)}
    states: Counter[str] = Counter()
    codes: Counter[int | None] = Counter()
    for send in decided.keys() - refused:
        found = life(log, send_id=UUID(send))
        assert found is not None
        states[found.state or ""] += 1
        if found.state == "failed":
            codes[found.known.failure[0] if found.known.failure else None] += 1
    return states, codes


def _is(event: Event, cls: type[Event], send: str) -> bool:
    return isinstance(event, cls) and getattr(event, "send_id", None) == send


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), history=histories)
async def test_the_counts_are_those_of_the_lives_in_any_order(
    data: st.DataObject, history: list[Event], pool: Pool
) -> None:
    shuffled = data.draw(st.permutations(history))
    states, codes = counted_apart(history)

    await start_over(pool)
    seen = await report(pool, shuffled)

    totals = seen.totals
    assert totals["delivered"] == states["delivered"] + states["read"] + states["played"]
    assert (totals["failed"], totals["unknown"]) == (states["failed"], states["unknown"])
    assert totals["undelivered"] == states["accepted"] + states["sent"]
    assert totals["sends"] == sum(states.values())
    told: Counter[int | None] = Counter()
    for one in seen.failures:
        told[one.code] += one.failed
    assert told == codes
