"""The report of observe mode, from histories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from histories import LINES, histories, log_of, made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import SCHEMA, MemoryLog, project, start_over

from domain.events import (
    Event,
    SendAccepted,
    SendFailed,
    SendRefused,
    SendRequested,
    SendUnknown,
    StatusReceived,
)
from domain.policy import REFUSALS, Reason
from gateway.store.postgres import Pool
from projections.observed import COUNTS, FOUND, ObservedProjection, ObservedReport

AT = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
"""In London 24 October, in Berlin the 25th."""
DISPATCHED = int(AT.timestamp())
OBSERVED = {"allowed": True, "observed": True, "reason": "never_opened"}
ALLOWED = {"allowed": True, "reason": "window_open"}


def requested(send: str, decision: dict[str, Any], **public: Any) -> SendRequested:
    known = {"caller": "crm", "face": "cloud", "kind": "free_form", "type": "text", "timestamp": AT}
    return made(SendRequested, send_id=send, decision=decision, **(known | public))


def accepted(send: str, key: str) -> SendAccepted:
    return made(SendAccepted, send_id=send, attempt=1, dispatched_at=DISPATCHED, message_key=key)


def failed(send: str, code: int) -> SendFailed:
    return made(SendFailed, send_id=send, attempt=1, dispatched_at=DISPATCHED, code=code)


def unknown(send: str) -> SendUnknown:
    return made(SendUnknown, send_id=send, attempt=1, dispatched_at=DISPATCHED)


def status(word: str, key: str, code: int | None = None, **public: Any) -> StatusReceived:
    known = {"message_key": key, "source": "live", "at_used": DISPATCHED + 1}
    return made(StatusReceived, status=word, code=code, **(known | public))


async def report(pool: Pool, history: Sequence[Event], **asked: Any) -> ObservedReport:
    await project(pool, MemoryLog(log_of(history)))
    days = {"from_day": date(2026, 1, 1), "to_day": date(2028, 1, 1), "time_zone": "Europe/Berlin"}
    async with pool.acquire() as db:
        return await ObservedProjection(SCHEMA).report(db, **(days | asked))


SEND, KEY = str(UUID(int=1)), str(UUID(int=2))


@pytest.mark.parametrize(
    ("decision", "outcome", "found", "code"),
    [
        (OBSERVED, [], "undecided", None),
        (OBSERVED, [accepted(SEND, KEY)], "undecided", None),
        (OBSERVED, [unknown(SEND)], "undecided", None),
        (OBSERVED, [accepted(SEND, KEY), status("failed", KEY, 131047)], "right", 131047),
        (OBSERVED, [status("failed", KEY, 131047, send_id=SEND)], "right", 131047),
        (OBSERVED, [failed(SEND, 131047)], "right", 131047),
        (OBSERVED, [failed(SEND, 470)], "right", 470),
        (OBSERVED, [failed(SEND, 131026)], "failed", 131026),
        (OBSERVED, [accepted(SEND, KEY), status("failed", KEY, 131026)], "failed", 131026),
        (OBSERVED, [accepted(SEND, KEY), status("sent", KEY)], "wrong", None),
        (OBSERVED, [accepted(SEND, KEY), status("read", KEY)], "wrong", None),
        (
            OBSERVED,
            [accepted(SEND, KEY), status("sent", KEY), status("failed", KEY, 131047)],
            "right",
            131047,
        ),
        (OBSERVED, [status("failed", KEY, 131047, send_id=SEND), status("delivered", KEY)], "wrong", None),
        (OBSERVED | {"reason": "opted_out"}, [failed(SEND, 131050)], "right", 131050),
        (OBSERVED | {"reason": "opted_out"}, [failed(SEND, 131047)], "failed", 131047),
        (ALLOWED, [accepted(SEND, KEY), status("failed", KEY, 131047)], "missed", 131047),
        (ALLOWED, [failed(SEND, 131047)], "missed", 131047),
        (ALLOWED, [failed(SEND, 131026)], "allowed", 131026),
        (ALLOWED, [accepted(SEND, KEY), status("delivered", KEY)], "allowed", None),
    ],
)
async def test_each_send_is_found_to_be_one_thing(
    pool: Pool, decision: dict[str, Any], outcome: list[Event], found: str, code: int | None
) -> None:
    seen = await report(pool, [requested(SEND, decision), *outcome], found=FOUND)

    [listed] = seen.sends
    assert (listed.found, listed.code, str(listed.send_id)) == (found, code, SEND)
    counted = {name for name in COUNTS if seen.totals[name]}
    assert counted == {"sends", found} | ({"observed"} if decision.get("observed") else set())


@pytest.mark.parametrize("reason", REFUSALS)
async def test_every_refusal_that_is_whatsapps_own_rule_can_prove_right(pool: Pool, reason: Reason) -> None:
    history = [requested(SEND, OBSERVED | {"reason": reason}), failed(SEND, REFUSALS[reason].cloud_code)]

    seen = await report(pool, history, found=FOUND)

    assert [one.found for one in seen.sends] == [
        "failed" if reason in ("no_opt_in", "category_drift") else "right"
    ]


async def test_in_a_group_one_delivery_makes_the_refusal_wrong(pool: Pool) -> None:
    parts = [str(UUID(int=n)) for n in (31, 32)]
    history = [
        requested(SEND, OBSERVED),
        accepted(SEND, KEY),
        status("failed", KEY, 131047, participant_key=parts[0]),
        status("delivered", KEY, participant_key=parts[1]),
    ]

    assert (await report(pool, history)).totals["wrong"] == 1


async def test_enforced_refusals_are_counted_by_line_reason_and_caller(pool: Pool) -> None:
    refusal = {"allowed": False, "reason": "window_closed"}
    known = {"caller": "crm", "face": "on-premises", "kind": "free_form", "type": "text", "timestamp": AT}
    refused = made(SendRefused, send_id=SEND, decision=refusal, line=LINES[1], **known)
    seen = await report(pool, [refused, requested(str(uuid4()), ALLOWED, caller="shop")])

    groups = ("line", "reason", "caller", "face", "type", "refused", "allowed")
    assert [tuple(row[name] for name in groups) for row in seen.rows] == [
        (LINES[0], "window_open", "shop", "cloud", "text", 0, 1),
        (LINES[1], "window_closed", "crm", "on-premises", "text", 1, 0),
    ]
    assert (await report(pool, [], line=LINES[1])).totals["sends"] == 1


async def test_days_are_those_of_the_zone(pool: Pool) -> None:
    history = [requested(SEND, OBSERVED)]

    of_the_24th = {"from_day": date(2026, 10, 24), "to_day": date(2026, 10, 25)}
    assert (await report(pool, history, **of_the_24th)).totals["sends"] == 0
    assert (await report(pool, [], **of_the_24th, time_zone="Europe/London")).totals["sends"] == 1


async def test_the_list_has_pages(pool: Pool) -> None:
    sends = [str(UUID(int=n)) for n in range(1, 6)]
    history = [event for send in sends for event in (requested(send, ALLOWED), failed(send, 131047))]

    first = await report(pool, history, limit=3)
    rest = await report(pool, [], limit=3, after=first.sends[-1].position)

    assert [str(one.send_id) for one in first.sends + rest.sends] == sends
    assert first.totals["missed"] == rest.totals["missed"] == 5


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), history=histories)
async def test_neither_order_nor_repetition_matters(
    data: st.DataObject, history: list[Event], pool: Pool
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(history), max_size=5)) if history else []
    other_order = data.draw(st.permutations([*history, *repeated]))

    await start_over(pool)
    expected = await report(pool, history, found=FOUND)
    await start_over(pool)
    seen = await report(pool, other_order, found=FOUND)

    assert (seen.rows, seen.totals) == (expected.rows, expected.totals)
    assert {(one.send_id, one.found, one.code) for one in seen.sends} == {
        (one.send_id, one.found, one.code) for one in expected.sends
    }
