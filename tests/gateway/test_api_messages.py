"""The life of a message over HTTP: by either id at once, and found by what the caller knows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from running import ANN, LINE, Running, Start

from gateway import sandbox

OTHER_LINE = "106000000000001"
FULL = f"sandbox:{sandbox.API_KEY}:send+read+content+admin"


async def sent(running: Running, **more: Any) -> tuple[str, str]:
    """Send a text; our id and WhatsApp's."""
    status, answer = await running.text(**more)
    assert status == 200, answer
    return running.headers["Ledgerline-Send-Id"], answer["messages"][0]["id"]


async def found(running: Running, **query: Any) -> list[str]:
    """The send ids a search finds."""
    status, body = await running.get("/api/messages", **query)
    assert status == 200, body
    return [message["send_id"] for message in body["messages"]]


async def test_a_send_is_known_by_both_ids_right_after_its_answer(running: Running) -> None:
    await running.writes()
    send_id, wamid = await sent(running, biz_opaque_callback_data="order A-1042")
    for name in (send_id, quote(wamid, safe="")):
        status, life = await running.get(f"/api/messages/{name}")
        assert status == 200
        shown = ("send_id", "message_id", "line", "contact", "direction", "type", "caller", "reference")
        assert [life[one] for one in shown] == [
            send_id,
            wamid,
            LINE,
            ANN,
            "outbound",
            "text",
            "sandbox",
            "order A-1042",
        ]
        assert life["decision"]["allowed"] is True
        topics = [event["topic"] for event in life["events"]]
        assert topics[:3] == ["SendRequested", "SendDispatched", "SendAccepted"]


async def test_a_send_is_known_while_its_tables_lag(running: Running, pool: Any) -> None:
    await running.writes()
    async with pool.acquire() as db, db.transaction():
        await db.execute("lock table ledgerline.messages_v1, ledgerline.sends_v2 in exclusive mode")
        send_id, wamid = await sent(running)
        for name in (send_id, quote(wamid, safe="")):
            status, life = await running.get(f"/api/messages/{name}")
            assert (status, life["send_id"], life["message_id"]) == (200, send_id, wamid)


@pytest.mark.parametrize("wamid", ["wamid.HBgM/NDQ3+Nzc==", "wamid.a/b/c", "wamid.%2F", "wamid.a b?c#d"])
async def test_a_message_id_may_hold_any_character(running: Running, wamid: str) -> None:
    message = {"from": ANN, "id": wamid, "timestamp": "1795305600", "type": "text", "text": {"body": "hi"}}
    value = {"metadata": {"phone_number_id": LINE}, "messages": [message]}
    entry = {"id": sandbox.WABA, "changes": [{"field": "messages", "value": value}]}
    assert await running.callback({"object": "whatsapp_business_account", "entry": [entry]}) == 200

    status, life = await running.get(f"/api/messages/{quote(wamid, safe='')}")
    assert (status, life["message_id"], life["direction"], life["state"]) == (200, wamid, "inbound", None)
    if not set(wamid) & set("%? #"):
        assert (await running.get(f"/api/messages/{wamid}"))[0] == 200


async def test_a_life_goes_on_to_read(running: Running) -> None:
    await running.writes()
    send_id, wamid = await sent(running)
    await running.settled()
    assert (await running.post(f"/sandbox/customers/{ANN}/reads", {"message_id": wamid}))[0] == 200
    await running.settled()
    _, life = await running.get(f"/api/messages/{send_id}")
    assert (life["state"], life["contradicted"], life["failed"]) == ("read", False, None)
    assert life["sent_at"] <= life["delivered_at"] <= life["read_at"]
    [summary] = (await running.get("/api/messages", state="read"))[1]["messages"]
    alone = {"events": None, "charge": None}
    assert life | alone == summary | alone


async def test_a_refused_send_has_a_life_without_a_message_id(running: Running) -> None:
    assert (await running.text())[0] == 400
    send_id = running.headers["Ledgerline-Send-Id"]
    status, life = await running.get(f"/api/messages/{send_id}")
    assert (status, life["state"], life["message_id"]) == (200, "refused", None)
    assert life["decision"]["allowed"] is False
    assert [event["topic"] for event in life["events"]] == ["SendRefused"]


async def test_a_send_is_found_by_idempotency_key_and_by_callback_data(running: Running) -> None:
    await running.writes()
    first, _ = await sent(running, biz_opaque_callback_data="order A-1042")
    status, _ = await running.send(
        {"messaging_product": "whatsapp", "to": ANN, "type": "text", "text": {"body": "Again."}},
        headers={"Idempotency-Key": "job/7+1="},
    )
    second = running.headers["Ledgerline-Send-Id"]
    assert status == 200
    await running.settled()
    assert await found(running, reference="order A-1042") == [first]
    assert await found(running, reference="job/7+1=") == [second]
    assert await found(running, reference="order a-1042") == []
    [message] = (await running.get("/api/messages", reference="job/7+1="))[1]["messages"]
    assert message["reference"] == "job/7+1="


async def test_sends_are_found_by_state_line_and_time_page_by_page(running: Running) -> None:
    assert (await running.text())[0] == 400
    refused = running.headers["Ledgerline-Send-Id"]
    await running.advance(7200)
    await running.writes()
    delivered = [(await sent(running))[0] for _ in range(3)]
    await running.settled()

    assert await found(running, state="refused") == [refused]
    assert await found(running, state="delivered") == delivered
    assert await found(running, state="delivered", line=LINE) == delivered
    assert await found(running, line=OTHER_LINE) == []
    [event] = await running.events("SendRefused")
    middle = datetime.fromisoformat(event["recorded_at"]) + timedelta(hours=1)
    noon = middle.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await found(running, to=noon) == [refused]
    assert [one for one in await found(running, **{"from": noon}) if one] == delivered

    _, first = await running.get("/api/messages", state="delivered", limit=2)
    _, second = await running.get("/api/messages", state="delivered", limit=2, after=first["next"])
    assert [one["send_id"] for page in (first, second) for one in page["messages"]] == delivered
    _, third = await running.get("/api/messages", state="delivered", limit=2, after=second["next"])
    assert third == {"messages": [], "next": second["next"]}


async def test_what_no_one_sent_is_not_found(running: Running) -> None:
    for name in (str(uuid4()), "wamid.unknown", quote("wamid.a/b+c=", safe=""), "x"):
        status, body = await running.get(f"/api/messages/{name}")
        assert (status, body["type"]) == (404, "urn:ledgerline:not-found")
        assert running.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    ("name", "value"), [("state", "gone"), ("from", "monday"), ("to", "2026-11-23T09:30")]
)
async def test_a_wrong_filter_is_refused_by_name(running: Running, name: str, value: str) -> None:
    status, body = await running.get("/api/messages", **{name: value})
    assert (status, body["type"], body["parameter"]) == (400, "urn:ledgerline:bad-parameter", name)


async def test_without_content_no_id_number_or_reference_is_shown(start: Start) -> None:
    async with start(api_keys=(FULL, "auditor:auditor-key:read")) as running:
        await running.writes()
        send_id, wamid = await sent(running, biz_opaque_callback_data="order A-1042")
        running.http.headers["Authorization"] = "Bearer auditor-key"
        _, life = await running.get(f"/api/messages/{send_id}")
        assert [life[name] for name in ("message_id", "reference")] == [None, None]
        assert life["contact"] == life["events"][0]["stream"]
        assert not [text for text in (wamid, ANN, "A-1042", "On its way") if text in str(life)]


async def test_a_bound_key_sees_messages_of_its_own_lines_only(start: Start) -> None:
    keys = (FULL, f"bound:bound-key:read@{OTHER_LINE}")
    async with start(api_keys=keys, lines=(LINE, OTHER_LINE)) as running:
        await running.writes()
        send_id, _ = await sent(running)
        running.http.headers["Authorization"] = "Bearer bound-key"
        assert (await running.get(f"/api/messages/{send_id}"))[0] == 404
        status, body = await running.get("/api/messages")
        assert (status, body["parameter"]) == (400, "line")
        assert (await running.get("/api/messages", line=LINE))[0] == 403
        assert await found(running, line=OTHER_LINE) == []
