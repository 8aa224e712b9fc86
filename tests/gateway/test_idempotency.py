"""Idempotency-Key: one key of one caller is one send, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import resources
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from running import ANN, LINE, Running, Start, until, whatsapp

from domain.events import Event, SendAccepted
from gateway import sandbox as sandboxed
from gateway.sends import idempotency, settler

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}
OTHER = TEMPLATE | {"to": "+447700900999"}
KEY = {"Idempotency-Key": "crm:4711"}


def told(gateway: Running) -> tuple[str, str | None]:
    """What the last answer's headers say: outcome, and whether it was replayed."""
    return gateway.headers["Ledgerline-Outcome"], gateway.headers.get("Idempotent-Replayed")


@pytest.mark.parametrize("path", ["/{version}/{line}/messages", "/v1/messages"])
def test_what_a_key_may_answer_is_described(path: str) -> None:
    description = orjson.loads((resources.files("gateway.api") / "openapi.json").read_bytes())
    assert {"409", "410", "422"} <= set(description["paths"][path]["post"]["responses"])


async def test_an_accepted_send_is_answered_again_and_not_sent_again(running: Running) -> None:
    first = await running.send(TEMPLATE, headers=KEY)
    send_id = running.headers["Ledgerline-Send-Id"]
    assert told(running) == ("accepted", None)
    for _ in range(2):
        assert await running.send(TEMPLATE, headers=KEY) == first
        assert told(running) == ("accepted", "true")
        assert running.headers["Ledgerline-Send-Id"] == send_id
    [accepted] = await running.accepted()
    assert accepted["count"] == 1
    assert len(await running.events("SendRequested")) == 1


async def test_the_same_body_in_another_order_is_the_same_request(running: Running) -> None:
    first = await running.send(TEMPLATE, headers=KEY)
    turned = orjson.dumps(dict(reversed(TEMPLATE.items())), option=orjson.OPT_INDENT_2)
    assert await running.post(f"/v26.0/{LINE}/messages", turned, headers=KEY) == first


async def test_another_body_under_the_same_key_is_refused_by_name(running: Running) -> None:
    await running.send(TEMPLATE, headers=KEY)
    send_id = running.headers["Ledgerline-Send-Id"]
    status, answer = await running.send(OTHER, headers=KEY)
    assert (status, answer["error"]["code"]) == (422, 100)
    assert told(running) == ("refused", None)
    assert running.headers["Ledgerline-Send-Id"] == send_id
    assert send_id in answer["error"]["error_data"]["details"]
    flag = TEMPLATE | {"template": TEMPLATE["template"] | {"flag": True}}
    await running.send(flag, headers={"Idempotency-Key": "flag"})
    one = TEMPLATE | {"template": TEMPLATE["template"] | {"flag": 1}}
    assert (await running.send(one, headers={"Idempotency-Key": "flag"}))[0] == 422
    assert sum(one["count"] for one in await running.accepted()) == 2


async def test_another_face_or_caller_is_another_request(start: Start) -> None:
    keys = ("a:key-a:send+read+content+admin", "b:key-b:send", *sandboxed.SETTINGS["api_keys"])
    async with start(api_keys=keys) as gateway:
        text = {"to": ANN, "type": "text", "text": {"body": "On its way."}}
        await gateway.writes()
        await gateway.send({"messaging_product": "whatsapp", **text}, headers=KEY)
        status, answer = await gateway.post("/v1/messages", text, headers=KEY)
        assert (status, answer["errors"][0]["code"]) == (422, 1009)
        for key in ("key-a", "key-b"):
            mine = KEY | {"Authorization": f"Bearer {key}"}
            status, _ = await gateway.send({"messaging_product": "whatsapp", **text}, headers=mine)
            assert (status, told(gateway)) == (200, ("accepted", None))
        assert sum(one["count"] for one in await gateway.accepted()) == 3


async def test_a_refusal_leaves_the_key_free(running: Running) -> None:
    text = {"messaging_product": "whatsapp", "to": ANN, "type": "text", "text": {"body": "Hi"}}
    status, _ = await running.send(text, headers=KEY)
    refused = running.headers["Ledgerline-Send-Id"]
    assert (status, told(running)) == (400, ("refused", None))
    await running.writes()
    status, _ = await running.send(text, headers=KEY)
    assert (status, told(running)) == (200, ("accepted", None))
    assert running.headers["Ledgerline-Send-Id"] != refused
    _, found = await running.get("/api/messages", reference="crm:4711")
    await running.settled()
    _, found = await running.get("/api/messages", reference="crm:4711")
    assert [one["state"] for one in found["messages"]] == ["refused", "delivered"]


async def test_a_malformed_request_leaves_the_key_free(running: Running) -> None:
    assert (await running.send({"to": ANN}, headers=KEY))[0] == 400
    assert (await running.send(TEMPLATE, headers=KEY))[0] == 200


async def test_a_safe_failure_leaves_the_key_free_however_often(running: Running) -> None:
    await running.post("/sandbox/faults", {"kind": "error", "code": 130429, "times": 2})
    sent = []
    for expected in ("failed", "failed", "accepted"):
        await running.send(TEMPLATE, headers=KEY)
        assert told(running) == (expected, None)
        sent.append(running.headers["Ledgerline-Send-Id"])
    assert len(set(sent)) == 3
    await running.send(TEMPLATE, headers=KEY)
    assert told(running) == ("accepted", "true")
    assert running.headers["Ledgerline-Send-Id"] == sent[-1]


async def test_a_key_that_failed_safely_many_times_is_found_in_a_few_steps(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running.post("/sandbox/faults", {"kind": "error", "code": 130429, "times": 70})
    monkeypatch.setattr(idempotency, "PROBES", 3)
    sent = []
    for _ in range(71):
        await running.send(TEMPLATE, headers=KEY)
        sent.append(running.headers["Ledgerline-Send-Id"])
    assert told(running) == ("accepted", None)
    assert len(set(sent)) == 71
    await running.send(TEMPLATE, headers=KEY)
    assert told(running) == ("accepted", "true")
    assert running.headers["Ledgerline-Send-Id"] == sent[-1]


async def test_what_never_left_leaves_the_key_free(start: Start) -> None:
    async with start(upstream_url=f"http://127.0.0.1:{unused_port()}") as gateway:
        for _ in range(2):
            assert (await gateway.send(TEMPLATE, headers=KEY))[0] == 503
            assert told(gateway) == ("failed", None)


async def test_a_final_failure_is_answered_again(running: Running) -> None:
    await running.post("/sandbox/faults", {"kind": "error", "code": 131026, "http_status": 400})
    first = await running.send(TEMPLATE, headers=KEY)
    assert await running.send(TEMPLATE, headers=KEY) == first
    assert told(running) == ("failed", "true")
    assert first[1]["error"]["code"] == 131026
    assert await running.accepted() == []


async def test_an_unknown_send_is_never_repeated_and_told_as_soon_as_it_is_known(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "PATIENCE", 0.0)
    await running.post("/sandbox/faults", {"kind": "batch", "times": 9, "seconds": 2})
    await running.post("/sandbox/faults", {"kind": "drop_after_accept"})
    await running.send(TEMPLATE, headers=KEY)
    assert told(running) == ("unknown", None)
    status, answer = await running.send(TEMPLATE, headers=KEY)
    assert (status, answer["error"]["code"], told(running)) == (500, 131000, ("unknown", "true"))
    await until(lambda: running.events("SendSettled"))
    status, answer = await running.send(TEMPLATE, headers=KEY)
    [accepted] = await running.accepted()
    assert (status, accepted["count"]) == (200, 1)
    assert answer["messages"] == [{"id": accepted["message_id"]}]


async def test_what_an_operator_settled_as_failed_needs_another_key(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "PATIENCE", 0.0)

    async def silence(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with whatsapp(silence) as (url, posted), start(upstream_url=url) as gateway:
        await gateway.send(TEMPLATE, headers=KEY)
        send_id = gateway.headers["Ledgerline-Send-Id"]
        assert (await gateway.post(f"/api/messages/{send_id}/settle", {"as": "failed"}))[0] == 200
        status, answer = await gateway.send(TEMPLATE, headers=KEY)
        assert (status, told(gateway)) == (400, ("failed", "true"))
        assert "another Idempotency-Key" in answer["error"]["error_data"]["details"]
        assert len(posted) == 1


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_repetition_in_vain_is_never_answered_as_safe_to_repeat(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    leaves: bool,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setattr(settler, "PATIENCE", 0.0)
    limited = {"error": {"message": "(#131056)", "code": 131056}}
    answers = iter([(500, {}), (400, limited)])

    async def answer(_: web.Request) -> web.Response:
        status, body = next(answers)
        return web.json_response(body, status=status)

    async with whatsapp(answer) as (url, posted), start(upstream_url=url) as gateway:
        assert (await gateway.send(TEMPLATE, headers=KEY))[0] == 500
        send_id = gateway.headers["Ledgerline-Send-Id"]
        if not leaves:
            monkeypatch.setattr(gateway.gateway.upstream, "_url", f"http://127.0.0.1:{unused_port()}")
        _, settled = await gateway.post(f"/api/messages/{send_id}/settle", {"as": "resend"})
        assert settled["state"] == "failed"
        status, body = await gateway.send(TEMPLATE, headers=KEY)
        assert (status, told(gateway)) == (400, ("failed", "true"))
        assert "Retry-After" not in gateway.headers
        assert body["error"]["code"] == 131000
        assert "another Idempotency-Key" in body["error"]["error_data"]["details"]
        assert len(posted) == 1 + leaves


async def test_the_key_of_an_outcome_that_was_forgotten_is_gone(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running.send(TEMPLATE, headers=KEY)
    opened = running.gateway.log.opened

    async def without_outcomes(events: Sequence[Event]) -> list[dict[str, Any] | None]:
        contents = zip(events, await opened(events), strict=True)
        return [None if isinstance(event, SendAccepted) else content for event, content in contents]

    monkeypatch.setattr(running.gateway.log, "opened", without_outcomes)
    assert (await running.send(TEMPLATE, headers=KEY))[0] == 410
    assert told(running) == ("accepted", None)


async def test_a_send_on_its_way_is_not_sent_beside(start: Start) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        reached.set()
        await go_on.wait()
        return web.json_response({"messages": [{"id": "wamid.A"}]})

    async with whatsapp(answer) as (url, posted), start(upstream_url=url) as gateway:
        first = asyncio.create_task(gateway.send(TEMPLATE, headers=KEY))
        await reached.wait()
        status, body = await gateway.send(TEMPLATE, headers=KEY)
        assert (status, body["error"]["code"]) == (409, 131016)
        assert gateway.headers["Retry-After"] == "1"
        assert told(gateway) == ("unknown", None)
        assert (await gateway.send(OTHER, headers=KEY))[0] == 422
        go_on.set()
        assert (await first)[0] == 200
        assert len(posted) == 1


async def test_many_at_once_over_two_gateways_are_one_send(start: Start) -> None:
    async with start() as one, start(upstream_url=one.gateway.settings.upstream_url) as other:
        turns = [gateway.send(TEMPLATE, headers=KEY) for gateway in (one, other) * 10]
        answered = await asyncio.gather(*turns)
        assert {status for status, _ in answered} <= {200, 409}
        [accepted] = await one.accepted()
        assert accepted["count"] == 1
        assert len(await one.events("SendDispatched")) == 1
        replays = [await gateway.send(TEMPLATE, headers=KEY) for gateway in (one, other)]
        assert [status for status, _ in replays] == [200, 200]


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_that_is_none_is_named(running: Running, key: str) -> None:
    status, answer = await running.send(TEMPLATE, headers={"Idempotency-Key": key})
    assert (status, answer["error"]["code"]) == (400, 131009)
    assert "Idempotency-Key" in answer["error"]["error_data"]["details"]
    text: dict[str, Any] = {"to": ANN, "type": "text", "text": {"body": "Hi"}}
    status, answer = await running.post("/v1/messages", text, headers={"Idempotency-Key": key})
    assert (status, answer["errors"][0]["code"]) == (400, 1009)
    assert await running.events() == []


async def test_the_key_of_a_forgotten_person_is_gone(running: Running) -> None:
    await running.send(TEMPLATE, headers=KEY)
    await running.settled()
    async with running.gateway.pool.acquire() as db:
        await db.execute("delete from ledgerline.person_keys")
    running.gateway.log._opener._since = -1e9
    assert (await running.send(TEMPLATE, headers=KEY))[0] == 410
    assert told(running) == ("accepted", None)
    assert sum(one["count"] for one in await running.accepted()) == 1
