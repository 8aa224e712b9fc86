"""What became of a send, whatever WhatsApp and the network make of it: one dispatch, one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from running import ANN, LINE, Running, Start, until, whatsapp

Metric = Callable[..., Awaitable[float]]

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}
OUTCOMES = ("SendAccepted", "SendFailed", "SendUnknown")


async def the_outcome(running: Running) -> dict[str, Any]:
    """The facts of the only outcome, of the only dispatch, of the only send."""
    send_id = running.headers["Ledgerline-Send-Id"]
    [dispatched] = await running.events("SendDispatched")
    [outcome] = await running.events(*OUTCOMES)
    for event in (dispatched, outcome):
        assert event["data"]["send_id"] == send_id
        assert event["data"]["attempt"] == 1
    return {"topic": outcome["topic"]} | outcome["data"]


async def state(running: Running) -> str:
    """The state of the send that was answered last."""
    status, message = await running.get(f"/api/messages/{running.headers['Ledgerline-Send-Id']}")
    assert status == 200
    return str(message["state"])


async def unknown(running: Running, answer: tuple[int, Any]) -> None:
    """The answer says that nobody knows, and not to send again."""
    status, body = answer
    send_id = running.headers["Ledgerline-Send-Id"]
    assert (status, body["error"]["code"], body["error"]["fbtrace_id"]) == (500, 131000, send_id)
    assert "do not send again" in body["error"]["error_data"]["details"]
    assert send_id in body["error"]["error_data"]["details"]
    assert running.headers["Ledgerline-Outcome"] == "unknown"
    assert "Retry-After" not in running.headers


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.mark.parametrize(("code", "http_status"), [(999_999, 500), (131046, 503)])
async def test_a_code_nobody_knows_leaves_it_open_when_the_status_does_not_blame_the_request(
    running: Running, code: int, http_status: int
) -> None:
    await running.post("/sandbox/faults", {"kind": "error", "code": code, "http_status": http_status})
    await unknown(running, await running.send(TEMPLATE))
    outcome = await the_outcome(running)
    assert (outcome["topic"], outcome["code"], outcome["http_status"]) == ("SendUnknown", code, http_status)
    assert await state(running) == "unknown"


async def test_a_failure_comes_in_whatsapps_own_words(running: Running) -> None:
    await running.post("/sandbox/faults", {"kind": "error", "code": 131026})
    _, answer = await running.send(TEMPLATE)
    assert answer["error"]["error_data"]["details"] == "The sandbox was asked for this error."


async def test_a_code_nobody_knows_is_failed_when_the_status_blames_the_request(running: Running) -> None:
    await running.post("/sandbox/faults", {"kind": "error", "code": 999_999, "http_status": 422})
    assert (await running.send(TEMPLATE))[0] == 422
    outcome = await the_outcome(running)
    assert (outcome["topic"], outcome["code"], outcome["safe"]) == ("SendFailed", 999_999, False)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, "", {}),
        (200, "<html>Sorry</html>", {}),
        (200, "{}", {}),
        (200, '{"messages":[]}', {}),
        (200, '{"messages":[{"id":""}]}', {}),
        (200, '{"messages":[{"id":7}]}', {}),
        (200, '{"error":{"code":"131026"}}', {}),
        (200, '{"error":{"code":true}}', {}),
        (200, "[" * 5000, {}),
        (201, '{"messages":[{"id":"wamid.A"}]}', {}),
        (500, '{"error":{"code":1000000000000000000000000000000}}', {}),
        (204, "", {}),
        (302, "", {"Location": "/again"}),
        (307, "", {"Location": "/again"}),
        (400, "Bad Request", {}),
        (404, "<html>Not Found</html>", {}),
        (429, "", {"Retry-After": "1"}),
        (500, "null", {}),
        (502, "Bad Gateway", {}),
        (503, "", {"Retry-After": "1"}),
        (200, "not gzip", {"Content-Encoding": "gzip"}),
    ],
)
async def test_an_answer_that_is_not_graphs_is_unknown_and_nothing_is_repeated(
    start: Start, status: int, body: str, headers: dict[str, str]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers=headers)

    async with whatsapp(answer) as (url, posted), start(upstream_url=url) as gateway:
        await unknown(gateway, await gateway.send(TEMPLATE))
        assert len(posted) == 1
        assert (await the_outcome(gateway))["topic"] == "SendUnknown"


async def test_a_connection_that_breaks_in_the_middle_is_unknown_and_nothing_is_repeated(
    start: Start,
) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"messages":[{"id":"wamid.')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with whatsapp(half) as (url, posted), start(upstream_url=url) as gateway:
        await unknown(gateway, await gateway.send(TEMPLATE))
        assert len(posted) == 1
        assert (await the_outcome(gateway))["topic"] == "SendUnknown"


async def test_a_connection_kept_from_before_that_broke_is_not_tried_again(start: Start) -> None:
    answers = iter([b"", None])

    async def first_only(request: web.Request) -> web.StreamResponse:
        if next(answers) is None:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"messages": [{"id": "wamid.A"}]})

    async with whatsapp(first_only) as (url, posted), start(upstream_url=url) as gateway:
        assert (await gateway.send(TEMPLATE))[0] == 200
        await unknown(gateway, await gateway.send(TEMPLATE))
        assert len(posted) == 2


async def test_nothing_left_when_the_connection_is_refused(start: Start, metric: Metric) -> None:
    async with start(upstream_url=f"http://127.0.0.1:{unused_port()}") as gateway:
        status, answer = await gateway.send(TEMPLATE)
        assert (status, answer["error"]["code"]) == (503, 131016)
        assert gateway.headers["Retry-After"] == "5"
        assert gateway.headers["Ledgerline-Outcome"] == "failed"
        assert "nothing was sent" in answer["error"]["error_data"]["details"]
        outcome = await the_outcome(gateway)
        assert (outcome["topic"], outcome["safe"], outcome["code"]) == ("SendFailed", True, None)
        assert await metric(gateway, "ledgerline_sends_total", outcome="failed") == 1


async def test_a_slow_answer_within_the_timeout_is_waited_for(start: Start) -> None:
    async with start(upstream_timeout=20) as gateway:
        await gateway.post("/sandbox/faults", {"kind": "delay", "seconds": 0.5})
        status, answer = await gateway.send(TEMPLATE)
        assert status == 200
        assert (await the_outcome(gateway))["opened"]["message_id"] == answer["messages"][0]["id"]


@pytest.mark.parametrize("cancels", [False, True])
async def test_a_caller_that_leaves_does_not_stop_its_send(
    start: Start, monkeypatch: pytest.MonkeyPatch, cancels: Any
) -> None:
    monkeypatch.setattr(web, "AppRunner", partial(web.AppRunner, handler_cancellation=cancels))
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        reached.set()
        await go_on.wait()
        return web.json_response({"messages": [{"id": "wamid.A"}]})

    async with whatsapp(answer) as (url, posted), start(upstream_url=url) as gateway:
        path = f"{gateway.url}/v26.0/{LINE}/messages"
        caller = asyncio.create_task(gateway.http.post(path, json=TEMPLATE))
        await reached.wait()
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await asyncio.sleep(0.1)  # until the gateway has heard of it
        go_on.set()
        [outcome] = await until(lambda: gateway.events(*OUTCOMES))
        assert outcome["topic"] == "SendAccepted"
        assert outcome["data"]["opened"]["message_id"] == "wamid.A"
        assert len(posted) == 1


async def test_whatsapps_own_answer_comes_back_and_is_kept(start: Start) -> None:
    whole = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": f"+{ANN}", "wa_id": "447700900999"}],
        "messages": [{"id": "wamid.A", "message_status": "held_for_quality_assessment"}],
        "new_2027": True,
    }

    async def answer(request: web.Request) -> web.Response:
        assert request.path == f"/v26.0/{LINE}/messages"
        assert request.headers["Authorization"] == "Bearer sandbox-access-token"
        assert request.headers["Content-Type"] == "application/json"
        return web.json_response(whole)

    async with whatsapp(answer) as (url, _), start(upstream_url=url) as gateway:
        assert await gateway.send(TEMPLATE) == (200, whole)
        outcome = await the_outcome(gateway)
        assert (outcome["topic"], outcome["http_status"]) == ("SendAccepted", 200)
        # WhatsApp's number for the person may be another; both are this person now.
        status, window = await gateway.get(f"/api/lines/{LINE}/conversations/447700900999/window")
        assert (status, window["open"]) == (200, False)


async def test_a_read_receipt_is_repeated_once_when_its_answer_is_lost(start: Start) -> None:
    answers = iter([None, {"success": True}])

    async def second_only(request: web.Request) -> web.Response:
        body = next(answers)
        if body is None:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(body)

    receipt = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
    async with whatsapp(second_only) as (url, posted), start(upstream_url=url) as gateway:
        assert await gateway.send(receipt) == (200, {"success": True})
        assert posted == [receipt, receipt]
        assert await gateway.events() == []


async def test_typing_passes_without_an_event(running: Running) -> None:
    receipt = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
    assert await running.send(receipt | {"typing_indicator": {"type": "text"}}) == (200, {"success": True})
    assert "Ledgerline-Send-Id" not in running.headers
    assert await running.events() == []


async def test_a_read_receipt_that_cannot_be_passed_may_be_repeated(start: Start) -> None:
    receipt = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
    async with start(upstream_url=f"http://127.0.0.1:{unused_port()}") as gateway:
        status, answer = await gateway.send(receipt)
        assert (status, answer["error"]["code"]) == (503, 131016)
        assert gateway.headers["Retry-After"] == "2"
