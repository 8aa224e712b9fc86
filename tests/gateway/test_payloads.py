"""Every callback of the reference, whatever its line, is stored once however often it comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
from running import Running

PAYLOADS = Path(__file__).parent.parent / "payloads"


def callbacks() -> dict[str, list[dict[str, Any]]]:
    """The bodies of each file that holds any: one, or a sequence."""
    found = {}
    for path in sorted(PAYLOADS.glob("*.json")):
        body = json.loads(path.read_text())
        bodies = [one for one in body.get("posts", [body]) if "entry" in one]
        if bodies:
            found[path.stem] = bodies
    return found


async def everything(running: Running) -> list[dict[str, Any]]:
    """The whole log."""
    events: list[dict[str, Any]] = []
    while True:
        after = str(events[-1]["position"] if events else 0)
        _, page = await running.get("/api/events", after=after, limit="1000")
        if not page["events"]:
            return events
        events += page["events"]


async def test_every_callback_of_the_reference_becomes_events_and_its_copies_none(running: Running) -> None:
    files = callbacks()
    assert len(files) == 89
    for name, bodies in files.items():
        before = len(await everything(running))
        statuses = [await running.callback(body) for body in bodies]
        assert statuses == [200] * len(bodies), name
        assert len(await everything(running)) > before, name
    events = await everything(running)
    for bodies in files.values():
        for body in bodies:
            assert await running.callback(orjson.dumps(body, option=orjson.OPT_INDENT_2)) == 200

    assert [one["position"] for one in await everything(running)] == [one["position"] for one in events]
    assert {one["data"]["field"] for one in events if one["topic"] == "UnrecognisedReceived"} == {
        "brand_new_field_2027"
    }


async def test_what_is_signed_but_no_json_is_kept(running: Running) -> None:
    assert await running.callback(b"{not json") == 200
    assert await running.callback(b"{not json") == 200

    [event] = await running.events("UnrecognisedReceived")
    assert event["data"]["reason"] == "not JSON"
    assert event["data"]["opened"] == {"body": "e25vdCBqc29u"}


async def test_a_callback_that_nobody_signed_is_refused_counted_and_not_stored(running: Running) -> None:
    assert await running.callback(callbacks()["cloud_inbound_text"][0], secret="another") == 401
    status, _ = await running.post("/webhooks/whatsapp", b"{}")

    assert status == 401
    assert await running.events() == []
    _, metrics = await running.get("/metrics")
    assert 'ledgerline_webhooks_total{result="unsigned"} 2.0' in metrics


async def test_more_updates_than_whatsapp_ever_batches_are_refused(running: Running) -> None:
    def body(count: int) -> dict[str, Any]:
        statuses = [
            {"id": f"wamid.{n}", "status": "sent", "recipient_id": "447700900123"} for n in range(count)
        ]
        value = {"metadata": {"phone_number_id": "106000000000001"}, "statuses": statuses}
        return {"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}

    assert await running.callback(body(1001)) == 413
    assert await running.events() == []
    assert await running.callback(body(1000)) == 200
    assert await running.callback(b"[" + b" " * (4 * 1024 * 1024) + b"]") == 413
    assert await running.gateway.log.head() == 1000
