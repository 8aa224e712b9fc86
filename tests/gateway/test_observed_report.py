"""The report of observe mode over HTTP, against the simulator as the judge."""

from __future__ import annotations

from typing import Any

import pytest
from running import ANN, LINE, Running, Start

from gateway import sandbox

BOB = "447700900456"
OTHER_LINE = "106000000000001"
DAY = 86_400


async def report(running: Running, **query: Any) -> dict[str, Any]:
    status, body = await running.get("/api/reports/observed", **query)
    assert status == 200, body
    return dict(body)


async def send_id(running: Running, **body: Any) -> str:
    await running.text(**body)
    return str(running.headers["Ledgerline-Send-Id"])


async def test_a_refusal_that_whatsapp_shares_is_right(start: Start) -> None:
    async with start(policy="observe") as running:
        await running.writes(ANN)
        assert (await running.text())[0] == 200
        never_wrote = await send_id(running, to=f"+{BOB}")
        await running.settled()

        seen = await report(running, found="right")
        shown = ("sends", "observed", "right", "wrong", "missed", "allowed")
        assert [seen["totals"][name] for name in shown] == [2, 1, 1, 0, 0, 1]
        assert [(one["send_id"], one["code"]) for one in seen["sends"]] == [(never_wrote, 131047)]
        [refusal] = [row for row in seen["rows"] if row["observed"]]
        groups = ("line", "reason", "caller", "face", "type")
        assert [refusal[name] for name in groups] == [LINE, "never_opened", "sandbox", "cloud", "text"]


async def test_a_refusal_that_whatsapp_does_not_share_is_wrong(start: Start) -> None:
    async with start(policy="observe", window_margin=3600) as running:
        await running.writes()
        await running.advance(DAY - 1800)
        wrong = await send_id(running)
        await running.settled()

        seen = await report(running)
        assert [(one["send_id"], one["found"]) for one in seen["sends"]] == [(wrong, "wrong")]
        assert [(row["reason"], row["wrong"]) for row in seen["rows"]] == [("window_closing", 1)]


async def test_a_refusal_at_once_counts_as_well_as_one_by_status(start: Start) -> None:
    async with start(policy="observe") as running:
        await running.post("/sandbox/faults", {"kind": "sync_131047", "times": 1})
        at_once = await send_id(running)
        await running.settled()
        seen = await report(running, found="right,wrong")
        assert [one["send_id"] for one in seen["sends"]] == [at_once]
        assert seen["next"] == seen["sends"][0]["position"]


async def test_what_is_allowed_and_fails_with_131047_is_missed(running: Running) -> None:
    await running.writes()
    await running.post("/sandbox/faults", {"kind": "sync_131047", "times": 1})
    missed = await send_id(running)
    await running.settled()
    seen = await report(running)
    assert (seen["totals"]["missed"], seen["totals"]["observed"]) == (1, 0)
    assert [(one["send_id"], one["found"]) for one in seen["sends"]] == [(missed, "missed")]


async def test_enforced_refusals_are_counted(running: Running) -> None:
    refused = await send_id(running)
    await running.settled()
    seen = await report(running, found="refused")
    assert (seen["totals"]["sends"], seen["totals"]["refused"]) == (1, 1)
    assert [one["send_id"] for one in seen["sends"]] == [refused]
    assert (await report(running, **{"from": "2020-01-01", "to": "2020-02-01"}))["totals"]["sends"] == 0
    assert (await report(running, line=OTHER_LINE))["rows"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("found", "good"), ("from", "1.1.2026"), ("to", "tomorrow"), ("after", "-1"), ("limit", "1001")],
)
async def test_a_wrong_parameter_is_named(running: Running, name: str, value: str) -> None:
    status, body = await running.get("/api/reports/observed", **{name: value})
    assert (status, body["type"], body["parameter"]) == (400, "urn:ledgerline:bad-parameter", name)


async def test_a_bound_key_sees_its_own_line_only(start: Start) -> None:
    async with start(api_keys=(f"bound:{sandbox.API_KEY}:read@{LINE}",)) as running:
        status, body = await running.get("/api/reports/observed")
        assert (status, body["parameter"]) == (400, "line")
        assert (await running.get("/api/reports/observed", line=OTHER_LINE))[0] == 403
        assert (await report(running, line=LINE))["rows"] == []
