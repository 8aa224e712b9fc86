"""Deliveries, refusals and windows over HTTP, against the simulator."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import pytest
from running import ANN, LINE, Running, Start

from gateway import sandbox

BOB, CAT = "447700900456", "447700900789"
USER = "GB.1234567890123456789"
OTHER_LINE = "106000000000001"
HOUR = 3600
NAMES = ("delivery", "refusals", "windows")


async def report(running: Running, name: str, **query: Any) -> dict[str, Any]:
    status, body = await running.get(f"/api/reports/{name}", **query)
    assert status == 200, body
    return dict(body)


async def test_deliveries_are_told_with_their_failures(running: Running) -> None:
    await running.writes()
    assert (await running.text())[0] == 200
    await running.post("/sandbox/faults", {"kind": "fail_status", "times": 1, "code": 131026})
    assert (await running.text())[0] == 200
    await running.post("/sandbox/faults", {"kind": "error", "times": 1, "code": 131056, "http_status": 400})
    assert (await running.text())[0] == 400
    await running.settled()

    seen = await report(running, "delivery")

    shown = ("sends", "accepted", "delivered", "failed", "undelivered")
    assert [seen["totals"][name] for name in shown] == [3, 2, 1, 2, 0]
    assert (seen["totals"]["delivered_rate"], seen["totals"]["failed_rate"]) == (0.5, 0.6667)
    assert isinstance(seen["totals"]["dispatch_to_sent_p50"], int)
    assert [(one["code"], one["title"], one["failed"], one["at_once"]) for one in seen["failures"]] == [
        (131026, "Undeliverable to this person", 1, 0),
        (131056, "Too many messages to this person", 1, 1),
    ]
    assert [(row["line"], row["sends"]) for row in seen["rows"]] == [(LINE, 3)]
    assert seen["as_of"] == len(await running.events())
    [day] = (await report(running, "delivery", group_by="day"))["rows"]
    assert day["day"] == (await running.events())[0]["recorded_at"][:10]


async def test_refusals_are_told_with_what_they_avoided(running: Running) -> None:
    await running.text(BOB)
    await running.text(BOB)
    await running.writes()
    await running.text()
    await running.settled()

    seen = await report(running, "refusals")

    assert (seen["totals"]["decided"], seen["totals"]["refused"]) == (3, 2)
    assert (seen["totals"]["conversations"], seen["totals"]["avoided_failure"]) == (1, 2)
    assert seen["rows"] == [
        {
            "line": LINE,
            "reason": "never_opened",
            "caller": "sandbox",
            "template": None,
            "refused": 2,
            "conversations": 1,
            "avoided": "failure",
        }
    ]


async def test_windows_are_open_and_close(start: Start) -> None:
    async with start(window_margin=1800) as running:
        await running.writes(ANN)
        await running.advance(20 * HOUR)
        await running.writes(BOB)
        await running.settled()

        assert (await report(running, "windows"))["totals"]["closing"] == 0
        seen = await report(running, "windows", hours=4)
        assert seen["rows"] == [
            {
                "line": LINE,
                "mode": "enforce",
                "margin": 1800,
                "open": 2,
                "sendable": 2,
                "closing": 1,
                "free_entry_point": 0,
                "disputed": 0,
            }
        ]
        [one] = seen["conversations"]
        _, window = await running.get(f"/api/lines/{LINE}/conversations/{ANN}/window")
        assert (one["contact"], one["line"]) == (ANN, LINE)
        assert (one["open_until"], one["sendable_until"]) == (window["open_until"], window["sendable_until"])
        status, by_id = await running.get(f"/api/lines/{LINE}/conversations/{one['conversation']}/window")
        assert (status, by_id["open_until"]) == (200, window["open_until"])

        await running.advance(3 * HOUR + 1900)
        within = await report(running, "windows", hours=24)
        assert [within["totals"][name] for name in ("open", "sendable", "closing")] == [2, 1, 1]
        await running.advance(HOUR)
        assert (await report(running, "windows"))["totals"]["open"] == 1


async def test_the_streams_of_one_person_are_one_conversation(running: Running) -> None:
    now = int(running.gateway.clock().timestamp())
    assert await running.callback(_callback("wamid.1", now - 60, wa_id=ANN)) == 200
    assert await running.callback(_callback("wamid.2", now - 30, user_id=USER)) == 200
    await running.settled()
    assert (await report(running, "windows"))["totals"]["open"] == 2
    assert await running.callback(_callback("wamid.3", now, wa_id=ANN, user_id=USER)) == 200
    await running.settled()
    assert len(await running.events("IdentityLinked")) == 2

    seen = await report(running, "windows", hours=24)

    assert (seen["totals"]["open"], len(seen["conversations"])) == (1, 1)
    [one] = seen["conversations"]
    _, window = await running.get(f"/api/lines/{LINE}/conversations/{USER}/window")
    assert (one["open_until"], one["contact"]) == (window["open_until"], ANN)


async def test_closing_windows_have_pages(running: Running) -> None:
    for customer in (ANN, BOB, CAT):
        await running.writes(customer)
    await running.settled()
    whole = await report(running, "windows", hours=24)
    first = await report(running, "windows", hours=24, limit=2)
    rest = await report(running, "windows", hours=24, limit=2, after=first["next"])
    assert (len(first["conversations"]), rest["next"], whole["next"]) == (2, None, None)
    assert first["conversations"] + rest["conversations"] == whole["conversations"]
    assert {one["contact"] for one in whole["conversations"]} == {ANN, BOB, CAT}


async def test_a_call_that_opened_a_window_tells_its_caller(running: Running) -> None:
    status, answer = await running.post(f"/sandbox/customers/{ANN}/calls", {"event": "connect"})
    assert status == 200, answer
    await running.settled()
    [one] = (await report(running, "windows", hours=24))["conversations"]
    assert one["contact"] == ANN


async def test_without_content_nobody_is_named(start: Start) -> None:
    async with start(api_keys=(f"desk:{sandbox.API_KEY}:read+send",)) as running:
        await running.writes()
        await running.text(BOB)
        await running.settled()
        for name in NAMES:
            body = orjson.dumps(await report(running, name)).decode()
            assert ANN not in body
            assert BOB not in body
        [one] = (await report(running, "windows", hours=24))["conversations"]
        assert "contact" not in one
        assert UUID(one["conversation"])


@pytest.mark.parametrize("name", NAMES)
async def test_a_bound_key_sees_its_own_line_only(start: Start, name: str) -> None:
    async with start(api_keys=(f"bound:{sandbox.API_KEY}:read@{LINE}",)) as running:
        status, body = await running.get(f"/api/reports/{name}")
        assert (status, body["parameter"]) == (400, "line")
        assert (await running.get(f"/api/reports/{name}", line=OTHER_LINE))[0] == 403
        await report(running, name, line=LINE)


async def test_a_key_without_the_scope_reads_no_report(start: Start) -> None:
    async with start(api_keys=(f"shop:{sandbox.API_KEY}:send",)) as running:
        for name in NAMES:
            assert (await running.get(f"/api/reports/{name}"))[0] == 403


@pytest.mark.parametrize(
    ("report_name", "name", "value"),
    [
        ("delivery", "group_by", "contact"),
        ("delivery", "from", "1.1.2026"),
        ("refusals", "group_by", "day,x"),
        ("refusals", "to", "tomorrow"),
        ("windows", "hours", "0"),
        ("windows", "hours", "25"),
        ("windows", "after", "7"),
        ("windows", "after", "1.00000000-0000-0000-0000-00000000000\u0661"),
        ("windows", "limit", "1001"),
        ("windows", "line", "x"),
    ],
)
async def test_a_wrong_parameter_is_named(running: Running, report_name: str, name: str, value: str) -> None:
    status, body = await running.get(f"/api/reports/{report_name}", **{name: value})
    assert (status, body["type"], body["parameter"]) == (400, "urn:ledgerline:bad-parameter", name)


def _callback(id_: str, at: int, **known: str) -> dict[str, Any]:
    """A text of a customer who is known by `wa_id`, `user_id` or both."""
    names = {"wa_id": "from", "user_id": "from_user_id"}
    item = {"id": id_, "timestamp": str(at), "type": "text", "text": {"body": "It is me."}}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": LINE},
        "contacts": [known | {"profile": {"name": "Ann"}}],
        "messages": [item | {names[name]: value for name, value in known.items()}],
    }
    change = {"field": "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}
