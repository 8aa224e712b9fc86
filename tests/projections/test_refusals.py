"""The report of refusals, from histories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, get_args
from uuid import UUID

from histories import LINES, STREAMS, log_of, made
from logs import SCHEMA, MemoryLog, project

from domain.avoided import AVOIDED, Avoided, avoided
from domain.events import Event, SendRefused, SendRequested
from domain.policy import REFUSALS
from gateway.store.postgres import Pool
from projections.refusals import Refusals, RefusalsReport

AT = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
KNOWN = {"caller": "crm", "face": "cloud", "kind": "free_form", "type": "text", "timestamp": AT}


def refused(number: int, reason: str, **public: Any) -> SendRefused:
    decision = {"allowed": False, "reason": reason}
    return made(SendRefused, send_id=str(UUID(int=number)), decision=decision, **(KNOWN | public))


async def report(pool: Pool, history: Sequence[Event], **asked: Any) -> RefusalsReport:
    await project(pool, MemoryLog(log_of(history)))
    days = {"from_day": date(2026, 1, 1), "to_day": date(2028, 1, 1), "time_zone": "Europe/Berlin"}
    async with pool.acquire() as db:
        return await Refusals(SCHEMA).report(db, **(days | asked))


def test_every_reason_that_refuses_says_what_it_avoids() -> None:
    assert AVOIDED.keys() == REFUSALS.keys()
    assert avoided("a reason of a later release") == "either"


async def test_refusals_are_told_by_reason_and_what_they_avoid(pool: Pool) -> None:
    allowed = {"allowed": True, "reason": "window_open"}
    history = [
        refused(1, "window_closed"),
        refused(2, "window_closed"),
        refused(3, "window_closed", originator_id=STREAMS[1]),
        refused(4, "window_closing"),
        refused(5, "opted_out", kind="template", template="winter_sale"),
        refused(6, "no_opt_in", kind="template", template="winter_sale", line=LINES[1], caller="shop"),
        made(SendRequested, send_id=str(UUID(int=7)), decision=allowed, **KNOWN),
    ]

    seen = await report(pool, history)

    names = ("line", "reason", "caller", "template", "refused", "conversations", "avoided")
    assert [tuple(row[name] for name in names) for row in seen.rows] == [
        (LINES[0], "window_closed", "crm", None, 3, 2, "failure"),
        (LINES[0], "opted_out", "crm", "winter_sale", 1, 1, "either"),
        (LINES[0], "window_closing", "crm", None, 1, 1, "nothing"),
        (LINES[1], "no_opt_in", "shop", "winter_sale", 1, 1, "charge"),
    ]
    assert seen.totals == {
        "decided": 7,
        "refused": 6,
        "conversations": 2,
        "avoided_failure": 3,
        "avoided_charge": 1,
        "avoided_either": 1,
        "avoided_nothing": 1,
    }
    assert seen.as_of == 7


async def test_rows_are_by_what_is_asked_for_and_always_by_reason(pool: Pool) -> None:
    history = [refused(1, "window_closed"), refused(2, "never_opened", line=LINES[1])]
    rows = (await report(pool, history, group_by=["day"])).rows
    assert [(row["day"], row["reason"]) for row in rows] == [
        (date(2026, 10, 25), "never_opened"),
        (date(2026, 10, 25), "window_closed"),
    ]
    assert [row["reason"] for row in (await report(pool, [], line=LINES[1])).rows] == ["never_opened"]
    of_the_24th = {"from_day": date(2026, 10, 24), "to_day": date(2026, 10, 25)}
    assert (await report(pool, [], **of_the_24th)).totals["refused"] == 0


async def test_without_refusals_nothing_was_avoided(pool: Pool) -> None:
    seen = await report(pool, [])
    assert (seen.rows, set(seen.totals.values())) == ([], {0})
    assert {f"avoided_{word}" for word in get_args(Avoided)} < seen.totals.keys()
