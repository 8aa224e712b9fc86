"""Sends whose answer was lost: settled by a status, a late answer or an operator; given up at last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import web
from running import ANN, LINE, Running, Start, until, whatsapp

from domain.facts import Fact
from domain.outbound import SendRequest
from domain.sends import Send
from gateway.sends import settler, standing
from gateway.store.log import Log
from projections.messages_query import Reported

Metric = Callable[..., Awaitable[float]]

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}


def impatiently(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> None:
    monkeypatch.setattr(settler, "PATIENCE", seconds)


async def lost(gateway: Running, *, callbacks_after: float = 0.0) -> str:
    """A send whose answer is lost, and whose statuses may come later; returns its id."""
    if callbacks_after:
        await gateway.post("/sandbox/faults", {"kind": "batch", "times": 9, "seconds": callbacks_after})
    await gateway.post("/sandbox/faults", {"kind": "drop_after_accept"})
    await gateway.send(TEMPLATE)
    return gateway.headers["Ledgerline-Send-Id"]


async def state(gateway: Running, send_id: str) -> str:
    await gateway.settled()
    _, message = await gateway.get(f"/api/messages/{send_id}")
    return str(message["state"])


async def settle(gateway: Running, send_id: str, word: str) -> tuple[int, Any]:
    return await gateway.post(f"/api/messages/{send_id}/settle", {"as": word})


async def the_settlement(gateway: Running) -> dict[str, Any]:
    async def some() -> list[dict[str, Any]]:
        return await gateway.events("SendSettled")

    [event] = await until(some)
    return dict(event["data"])


async def test_a_status_that_comes_in_time_is_the_answer(
    running: Running, monkeypatch: pytest.MonkeyPatch, metric: Metric
) -> None:
    impatiently(monkeypatch, 20)
    await running.post("/sandbox/faults", {"kind": "drop_after_accept"})
    status, answer = await running.send(TEMPLATE)
    assert (status, running.headers["Ledgerline-Outcome"]) == (200, "accepted")
    [accepted] = await running.accepted()
    assert answer == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": f"+{ANN}", "wa_id": ANN}],
        "messages": [{"id": accepted["message_id"]}],
    }
    assert len(await running.events("SendUnknown")) == 1
    settled = await the_settlement(running)
    assert (settled["settled_as"], settled["by"], settled["attempt"]) == ("accepted", "status", 1)
    assert settled["opened"]["message_id"] == accepted["message_id"]
    assert await metric(running, "ledgerline_sends_settled_total", by="status") == 1


async def test_a_status_that_comes_before_the_timeout_settles_as_well(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatiently(monkeypatch, 20)
    async with start(upstream_timeout=1) as gateway:
        await gateway.post("/sandbox/faults", {"kind": "delay", "seconds": 5})
        status, answer = await gateway.send(TEMPLATE)
        [accepted] = await gateway.accepted()
        assert (status, answer["messages"][0]["id"]) == (200, accepted["message_id"])


async def test_a_status_that_comes_later_settles_what_was_answered_as_unknown(
    running: Running, monkeypatch: pytest.MonkeyPatch, metric: Metric
) -> None:
    impatiently(monkeypatch)
    send_id = await lost(running, callbacks_after=1.5)
    assert running.headers["Ledgerline-Outcome"] == "unknown"
    await running.gateway.runner.catch_up()
    assert await metric(running, "ledgerline_sends_unknown", line=LINE) == 1
    _, found = await running.get("/api/messages", state="unknown")
    assert [one["send_id"] for one in found["messages"]] == [send_id]
    await the_settlement(running)
    assert await state(running, send_id) == "delivered"
    _, found = await running.get("/api/messages", state="unknown")
    assert found["messages"] == []
    assert await metric(running, "ledgerline_sends_unknown", line=LINE) == 0


KEYED = {"Idempotency-Key": "crm:4711"}


async def lost_and_held(gateway: Running) -> tuple[str, Callable[[], Awaitable[None]]]:
    """A send under a key whose answer is lost, and what lets its statuses come."""
    callbacks, usual = gateway.simulator.callbacks, gateway.simulator.callbacks.url
    callbacks.url = usual + "/not-here"
    await gateway.post("/sandbox/faults", {"kind": "drop_after_accept"})
    await gateway.send(TEMPLATE, headers=KEYED)

    async def come() -> None:
        callbacks.url = usual
        await gateway.settled()

    return gateway.headers["Ledgerline-Send-Id"], come


@pytest.mark.parametrize("word", ["accepted", "failed"])
async def test_whatsapps_word_outranks_an_operators(
    running: Running, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    impatiently(monkeypatch)
    send_id, come = await lost_and_held(running)
    assert (await settle(running, send_id, word))[0] == 200
    await come()
    assert await state(running, send_id) == "delivered"
    status, answer = await running.send(TEMPLATE, headers=KEYED)
    assert (status, running.headers["Ledgerline-Outcome"]) == (200, "accepted")
    assert answer["messages"] == [{"id": (await running.accepted())[0]["message_id"]}]
    status, problem = await settle(running, send_id, "failed")
    assert (status, problem["state"]) == (409, "accepted")


async def test_what_whatsapp_reports_of_an_attempt_ends_the_doubt_about_the_next(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatiently(monkeypatch)
    send_id, come = await lost_and_held(running)
    await running.post("/sandbox/faults", {"kind": "error", "code": 131000})
    assert (await settle(running, send_id, "resend"))[1]["state"] == "unknown"
    await come()
    status, problem = await settle(running, send_id, "resend")
    assert (status, problem["state"]) == (409, "accepted")
    assert (await running.send(TEMPLATE, headers=KEYED))[0] == 200
    assert len(await running.accepted()) == 1


@pytest.mark.parametrize("word", ["accepted", "failed"])
async def test_an_operator_settles(start: Start, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    impatiently(monkeypatch)
    async with whatsapp(answering()) as (url, _), start(upstream_url=url) as gateway:
        await gateway.send(TEMPLATE)
        send_id = gateway.headers["Ledgerline-Send-Id"]
        assert await settle(gateway, send_id, word) == (200, {"send_id": send_id, "state": word})
        settled = await the_settlement(gateway)
        assert (settled["settled_as"], settled["by"], settled["caller"]) == (word, "operator", "sandbox")
        assert await state(gateway, send_id) == word
        status, answer = await settle(gateway, send_id, "failed")
        assert (status, answer["type"]) == (409, "urn:ledgerline:conflict")


@pytest.mark.parametrize("id_", ["nope", "wamid.HBgM/7=", "00000000-0000-0000-0000-000000000001"])
async def test_what_is_no_send_is_not_found(running: Running, id_: str) -> None:
    status, problem = await settle(running, id_, "failed")
    assert (status, problem["type"]) == (404, "urn:ledgerline:not-found")


async def test_a_send_is_sent_again_only_at_an_operators_order(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatiently(monkeypatch)
    answers = answering(None, None, {"messages": [{"id": "wamid.C"}]})
    async with whatsapp(answers) as (url, posted), start(upstream_url=url) as gateway:
        await gateway.send(TEMPLATE)
        send_id = gateway.headers["Ledgerline-Send-Id"]
        assert await settle(gateway, send_id, "resend") == (200, {"send_id": send_id, "state": "unknown"})
        status, answer = await settle(gateway, send_id, "resend")
        assert (status, answer["state"], answer["message_id"]) == (200, "accepted", "wamid.C")
        opaque = [body.pop("biz_opaque_callback_data").split(".") for body in posted]
        assert [(parts[1], parts[2]) for parts in opaque] == [(send_id.replace("-", ""), n) for n in "123"]
        assert posted[0] == posted[1] == posted[2]
        left = [one["data"] for one in await gateway.events("SendDispatched")]
        by = [(one["attempt"], one["caller"]) for one in left]
        assert by == [(1, None), (2, "sandbox"), (3, "sandbox")]
        resent = await until(lambda: gateway.events("SendSettled"))
        assert [one["data"]["settled_as"] for one in resent] == ["resend", "resend"]
        assert await state(gateway, send_id) == "accepted"


async def test_two_operators_send_it_again_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    impatiently(monkeypatch)
    answers = answering(None, *[{"messages": [{"id": "wamid.B"}]}] * 9)
    async with whatsapp(answers) as (url, posted), start(upstream_url=url) as gateway:
        await gateway.send(TEMPLATE)
        send_id = gateway.headers["Ledgerline-Send-Id"]
        words = ["resend", "resend", "resend", "accepted", "failed"]
        answered = await asyncio.gather(*(settle(gateway, send_id, word) for word in words))
        assert sorted(status for status, _ in answered) == [200, 409, 409, 409, 409]
        assert len(posted) <= 2


async def test_the_policy_decides_again_before_a_repetition(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatiently(monkeypatch)
    async with whatsapp(answering()) as (url, posted), start(upstream_url=url) as gateway:
        await gateway.writes()
        await gateway.text()
        send_id = gateway.headers["Ledgerline-Send-Id"]
        await gateway.advance(25 * 3600)
        status, answer = await settle(gateway, send_id, "resend")
        assert (status, answer["type"]) == (409, "urn:ledgerline:refused")
        assert "the window closed at" in answer["detail"]
        assert len(posted) == 1
        assert await state(gateway, send_id) == "unknown"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "JSON object"),
        (b"[]", 400, "JSON object"),
        (b"{}", 400, "as must be"),
        (b'{"as":"sent"}', 400, "as must be"),
        (b'{"as":["failed"]}', 400, "as must be"),
    ],
)
async def test_a_settlement_says_what_would_be_right(
    running: Running, body: bytes, status: int, said: str
) -> None:
    path = "/api/messages/00000000-0000-4000-8000-000000000000/settle"
    answered, problem = await running.post(path, body)
    assert answered == status
    assert said in problem["detail"]
    assert await running.events() == []


async def test_only_an_unknown_send_can_be_settled(running: Running) -> None:
    assert (await settle(running, "00000000-0000-4000-8000-000000000000", "failed"))[0] == 404
    await running.send(TEMPLATE)
    status, problem = await settle(running, running.headers["Ledgerline-Send-Id"], "failed")
    assert (status, problem["state"]) == (409, "accepted")
    await running.text()
    status, problem = await settle(running, running.headers["Ledgerline-Send-Id"], "failed")
    assert (status, problem["state"]) == (409, "refused")


async def test_a_dispatch_without_an_outcome_is_given_up(
    start: Start, monkeypatch: pytest.MonkeyPatch, metric: Metric
) -> None:
    monkeypatch.setattr(settler, "GRACE", -19.8)
    monkeypatch.setattr(settler, "SWEEP", 0.0)
    go_on = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await go_on.wait()
        return web.json_response({"messages": [{"id": "wamid.A"}]})

    async with whatsapp(answer) as (url, _), start(upstream_url=url, upstream_timeout=20) as gateway:
        sending = asyncio.create_task(gateway.send(TEMPLATE))
        [given_up] = await until(lambda: gateway.events("SendUnknown"))
        assert given_up["data"]["cause"] == "no outcome was recorded"
        assert await metric(gateway, "ledgerline_sends_given_up_total") == 1
        # The answer comes after all: late, but it is WhatsApp's own.
        go_on.set()
        assert (await sending)[0] == 200
        settled = await the_settlement(gateway)
        assert (settled["settled_as"], settled["by"]) == ("accepted", "answer")
        assert await metric(gateway, "ledgerline_sends_settled_total", by="answer") == 1
        assert settled["opened"]["message_id"] == "wamid.A"
        assert await gateway.events("SendAccepted") == []
        assert await state(gateway, given_up["data"]["send_id"]) == "accepted"


async def test_a_repetition_under_way_is_not_taken_for_the_attempt_before_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the tables are so far behind that they still miss the outcome of the first one."""
    impatiently(monkeypatch)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if len(posted) == 1:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        reached.set()
        await go_on.wait()
        return web.json_response({"messages": [{"id": "wamid.B"}]})

    async with whatsapp(answer) as (url, posted), start(upstream_url=url) as gateway:
        await gateway.send(TEMPLATE)
        send_id = gateway.headers["Ledgerline-Send-Id"]
        repeating = asyncio.create_task(settle(gateway, send_id, "resend"))
        await reached.wait()
        impatiently(monkeypatch, seconds=10)
        await gateway.gateway.settler._give_up(UUID(send_id), 1)
        told = {"message_id": "wamid.A", "recipient": ANN}
        await gateway.gateway.settler._settle(Reported(UUID(send_id), 1, 1), told)
        go_on.set()
        assert (await repeating)[1]["state"] == "accepted"
        assert len(await gateway.events("SendUnknown")) == 1
        settled = [one["data"] for one in await until(lambda: gateway.events("SendSettled"))]
        assert [(one["attempt"], one["settled_as"]) for one in settled] == [(1, "resend")]


async def test_a_late_answer_settles_though_the_database_goes_away(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "GRACE", -19.8)
    monkeypatch.setattr(settler, "SWEEP", 0.0)
    go_on, troubles, at = asyncio.Event(), [asyncpg.ConnectionDoesNotExistError("gone")], Log.events_at

    async def answer(_: web.Request) -> web.Response:
        await go_on.wait()
        return web.json_response({"error": {"message": "(#131026)", "code": 131026}}, status=400)

    async def troubled(log: Log, positions: Sequence[int]) -> Any:
        if troubles:
            raise troubles.pop()
        return await at(log, positions)

    async with whatsapp(answer) as (url, _), start(upstream_url=url, upstream_timeout=20) as gateway:
        sending = asyncio.create_task(gateway.send(TEMPLATE))
        await until(lambda: gateway.events("SendUnknown"))
        monkeypatch.setattr(Log, "events_at", troubled)
        go_on.set()
        await sending
        settled = await the_settlement(gateway)
        assert (settled["settled_as"], settled["by"]) == ("failed", "answer")
        assert not troubles


async def test_a_send_that_cannot_be_read_costs_the_others_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatiently(monkeypatch)
    recalled = standing.recalled

    def picky(face: Any, body: dict[str, Any]) -> SendRequest:
        if body["to"] != f"+{ANN}":
            raise ValueError("what was recorded of a send is malformed: to")
        return recalled(face, body)

    monkeypatch.setattr(standing, "recalled", picky)
    await running.post("/sandbox/faults", {"kind": "batch", "times": 9, "seconds": 1.0})
    await running.post("/sandbox/faults", {"kind": "drop_after_accept", "times": 2})
    await running.send(TEMPLATE)
    mine = running.headers["Ledgerline-Send-Id"]
    await running.send(TEMPLATE | {"to": "+447700900999"})
    settled = await the_settlement(running)
    assert settled["send_id"] == mine


async def test_what_was_recorded_without_its_path_is_repeated_to_its_line(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatiently(monkeypatch)
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.json_response({}, status=500)

    recorded = Send._decided

    def as_before(send: Send, *given: Any) -> Fact:
        fact = recorded(send, *given)
        return replace(fact, private={name: one for name, one in fact.private.items() if name != "path"})

    monkeypatch.setattr(Send, "_decided", as_before)
    async with whatsapp(answer) as (url, _), start(upstream_url=url) as gateway:
        await gateway.send(TEMPLATE)
        await settle(gateway, gateway.headers["Ledgerline-Send-Id"], "resend")
    assert paths == [f"/v26.0/{LINE}/messages"] * 2


def answering(*answers: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answers in turn; breaks the connection for None, and when there are no more."""
    left = iter(answers)

    async def answer(request: web.Request) -> web.Response:
        said = next(left, None)
        if said is None:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(said)

    return answer
