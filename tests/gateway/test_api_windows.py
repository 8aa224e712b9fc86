"""The window over HTTP: now, at another time, for many, and by every name of a contact."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from running import ANN, LINE, Running, Start

from gateway import sandbox

BEN = "447700900456"
NOBODY = "447700900999"
OTHER_LINE = "106000000000001"
FULL = f"sandbox:{sandbox.API_KEY}:send+read+content+admin"


def path(contact: str, line: str = LINE) -> str:
    return f"/api/lines/{line}/conversations/{contact}/window"


def later(text: str, **by: float) -> str:
    """An RFC 3339 time, moved."""
    return (datetime.fromisoformat(text) + timedelta(**by)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def window(running: Running, contact: str = ANN, **query: Any) -> dict[str, Any]:
    status, body = await running.get(path(contact), **query)
    assert status == 200, body
    return dict(body)


async def written_at(running: Running) -> str:
    """WhatsApp's time of the only message that came in."""
    [event] = await running.events("MessageReceived")
    return str(event["at"])


async def test_a_message_opens_the_window_for_a_day(running: Running) -> None:
    wamid = await running.writes()
    at = await written_at(running)

    seen = await window(running)
    assert datetime.fromisoformat(seen.pop("decided_at")) >= datetime.fromisoformat(at)
    assert seen == {
        "line": LINE,
        "contact": ANN,
        "open": True,
        "open_until": later(at, hours=24),
        "sendable_until": later(at, hours=24, seconds=-running.gateway.settings.margin(LINE)),
        "opened_by": wamid,
        "free_entry_point_until": None,
        "disputed_by": None,
        "mode": "enforce",
        "known_since": at,
        "as_of": 1,
    }


async def test_the_window_closes_after_a_day_and_says_since_when(running: Running) -> None:
    await running.writes()
    await running.advance(24 * 3600 + 60)

    seen = await window(running)
    assert (seen["open"], seen["open_until"]) == (False, later(await written_at(running), hours=24))


async def test_the_window_at_another_time_is_what_whatsapp_knew_then(running: Running) -> None:
    wamid = await running.writes()
    at = await written_at(running)

    before = await window(running, at=later(at, seconds=-1))
    assert (before["open"], before["open_until"], before["opened_by"]) == (False, None, None)
    assert before["decided_at"] == later(at, seconds=-1).replace("Z", ".000Z")
    last = await window(running, at=later(at, hours=24, seconds=-1))
    assert (last["open"], last["opened_by"]) == (True, wamid)
    after = await window(running, at=later(at, hours=24))
    assert (after["open"], after["open_until"]) == (False, later(at, hours=24))
    zoned = await window(running, at=later(at, hours=2).replace("Z", "+01:00"))
    assert zoned["decided_at"] == later(at, hours=1).replace("Z", ".000Z")


async def test_who_was_never_seen_is_not_found(running: Running) -> None:
    await running.writes()
    for contact in (NOBODY, "GB.1", "not-anybody", "5c1f0a3e-3f0e-4c38-9a53-0d6d9d6d8a11"):
        status, body = await running.get(path(contact))
        assert status == 404
        assert running.headers["Content-Type"].startswith("application/problem+json")
        assert (body["type"], body["status"]) == ("urn:ledgerline:not-found", 404)
        assert body["detail"] == f"Line {LINE} has no conversation with this contact."
    assert (await running.get(path(ANN, OTHER_LINE)))[0] == 404


async def test_who_was_written_to_but_never_wrote_has_no_open_window(running: Running) -> None:
    template = {"name": "order_update", "language": {"code": "en_GB"}}
    body = {"messaging_product": "whatsapp", "to": ANN, "type": "template", "template": template}
    assert (await running.send(body))[0] == 200

    seen = await window(running)
    assert [seen[name] for name in ("open", "open_until", "sendable_until", "opened_by")] == [
        False,
        None,
        None,
        None,
    ]


async def test_a_contact_is_found_by_each_of_its_names(running: Running) -> None:
    await running.writes("5511987654321")
    [event] = await running.events("MessageReceived")
    user_id = next(value for value in event["data"]["opened"].values() if str(value).startswith("BR."))

    names = ["5511987654321", "+5511987654321", "551187654321", "+551187654321", user_id, event["stream"]]
    for name in names:
        seen = await window(running, name)
        assert (seen["contact"], seen["open"], seen["as_of"]) == (name, True, 1)


async def test_who_has_a_user_id_only_is_found_by_it(running: Running) -> None:
    await running.writes("GB.7700900123456789012")
    assert (await window(running, "GB.7700900123456789012"))["open"] is True
    assert (await running.get(path("GB.7700900123456789013")))[0] == 404


async def test_without_content_the_opener_is_a_keyed_id(start: Start) -> None:
    async with start(api_keys=(FULL, "auditor:auditor-key:read")) as running:
        await running.writes()
        [event] = await running.events("MessageReceived")
        headers = {"Authorization": "Bearer auditor-key"}
        async with running.http.get(running.url + path(ANN), headers=headers) as answer:
            seen = await answer.json()
        assert seen["opened_by"] == event["data"]["message_key"]


async def test_many_windows_come_in_the_order_asked(running: Running) -> None:
    wamid = await running.writes(ANN)
    other = await running.writes(BEN)
    contacts = [f"+{BEN}", NOBODY, ANN, ANN]
    status, body = await running.post(f"/api/lines/{LINE}/windows", {"contacts": contacts})
    assert status == 200
    assert [one["contact"] for one in body["windows"]] == contacts
    assert [one.get("opened_by") for one in body["windows"]] == [other, None, wamid, wamid]
    assert body["windows"][1] == {"line": LINE, "contact": NOBODY, "error": "not-found"}
    single = await window(running, ANN)
    assert {**body["windows"][2], "decided_at": None} == {**single, "decided_at": None}


async def test_no_contacts_are_no_windows(running: Running) -> None:
    assert await running.post(f"/api/lines/{LINE}/windows", {"contacts": []}) == (200, {"windows": []})


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", {}, {"contacts": ANN}, {"contacts": [1]}, {"contacts": ["1"] * 1001}]
)
async def test_a_wrong_list_of_contacts_is_refused_by_name(running: Running, body: Any) -> None:
    status, answer = await running.post(f"/api/lines/{LINE}/windows", body)
    assert (status, answer["type"]) == (400, "urn:ledgerline:bad-parameter")
    assert answer["parameter"] == "contacts"
    assert answer["detail"].startswith("contacts must be a")


@pytest.mark.parametrize(
    "at", ["yesterday", "2026-11-23T09:30:00", "2026-11-23", "9999-12-31T23:59:59-23:00", ""]
)
async def test_a_wrong_time_is_refused_by_name(running: Running, at: str) -> None:
    await running.writes()
    status, answer = await running.get(path(ANN), at=at)
    assert running.headers["Content-Type"].startswith("application/problem+json")
    assert (status, answer["type"]) == (400, "urn:ledgerline:bad-parameter")
    assert answer["parameter"] == "at"


async def test_a_window_is_exact_while_its_table_lags(running: Running, pool: Any) -> None:
    async with pool.acquire() as db, db.transaction():
        await db.execute("lock table ledgerline.window_v2 in exclusive mode")
        wamid = await running.writes()
        assert (await window(running))["opened_by"] == wamid
