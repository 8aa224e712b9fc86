"""Statuses that no callback brought: asked for, and taken as what they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from running import ANN, LINE, Running, Start, whatsapp

from domain import message_history
from domain.message_history import Told
from gateway.sends.recovery import Recovery

Metric = Callable[..., Awaitable[float]]

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}


def recovery(gateway: Running) -> Recovery:
    one = gateway.gateway
    return Recovery(
        one.log, one.pool, one.messages, upstream=one.upstream, clock=one.clock, metrics=one.metrics
    )


async def sent_without_callbacks(gateway: Running) -> str:
    """A send whose callbacks never arrive; returns its id."""
    gateway.simulator.callbacks.url = "http://127.0.0.1:9/nobody"
    assert (await gateway.send(TEMPLATE))[0] == 200
    await gateway.gateway.runner.catch_up()
    return gateway.headers["Ledgerline-Send-Id"]


async def state(gateway: Running, send_id: str) -> str:
    _, message = await gateway.get(f"/api/messages/{send_id}")
    return str(message["state"])


async def test_a_lost_status_is_asked_for_once_it_is_late(running: Running, metric: Metric) -> None:
    send_id = await sent_without_callbacks(running)
    asking = recovery(running)
    assert await asking.round()
    assert await running.events("StatusReceived") == []
    await running.advance(31 * 60)
    assert await asking.round()
    found = await running.events("StatusReceived")
    assert [(one["data"]["status"], one["data"]["source"]) for one in found] == [
        ("sent", "history"),
        ("delivered", "history"),
    ]
    assert {one["data"]["send_id"] for one in found} == {send_id}
    assert await state(running, send_id) == "delivered"
    assert await metric(running, "ledgerline_statuses_recovered_total") == 2
    await running.gateway.runner.catch_up()
    assert await asking.round()
    _, counts = await running.get("/api/reports/counts", **{"from": "2020-01-01", "to": "2100-01-01"})
    assert counts["totals"]["delivered"] == 1


async def test_those_that_are_too_old_are_looked_at_once(running: Running) -> None:
    await sent_without_callbacks(running)
    await running.advance(8 * 24 * 3600)
    asking = recovery(running)
    assert await asking.round()
    assert await running.events("StatusReceived") == []
    positions = {one["position"] for one in await running.events("SendAccepted")}
    assert set(asking._after.values()) == positions


async def test_another_gateway_that_asks_as_well_records_nothing_twice(running: Running) -> None:
    await sent_without_callbacks(running)
    await running.advance(31 * 60)
    assert await recovery(running).round()
    before = await running.events()
    assert await recovery(running).round()
    assert await running.events() == before


async def test_what_is_reported_or_too_old_is_not_asked_for(start: Start) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            asked.append(request.path)
            return web.json_response({"data": []})
        return web.json_response({"messages": [{"id": "wamid.A"}]})

    async with whatsapp(answer) as (url, _), start(upstream_url=url) as gateway:
        await gateway.send(TEMPLATE)
        await gateway.gateway.runner.catch_up()
        asking = recovery(gateway)
        await gateway.advance(31 * 60)
        for _ in range(3):
            assert await asking.round()
        assert asked == [f"/v26.0/{LINE}/message_history"]
        await gateway.advance(24 * 3600)
        assert await asking.round()
        assert len(asked) == 2
        await gateway.advance(7 * 24 * 3600)
        assert await recovery(gateway).round()
        assert len(asked) == 2


@pytest.mark.parametrize("answer", [web.Response(status=400, text="{}"), web.Response(text="<html>")])
async def test_where_whatsapp_does_not_tell_the_asking_rests(start: Start, answer: web.Response) -> None:
    async def whoever(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.Response(status=answer.status, body=answer.body)
        return web.json_response({"messages": [{"id": "wamid.A"}]})

    async with whatsapp(whoever) as (url, _), start(upstream_url=url) as gateway:
        await gateway.send(TEMPLATE)
        await gateway.gateway.runner.catch_up()
        await gateway.advance(31 * 60)
        assert not await recovery(gateway).round()


def told(*events: Any) -> list[Told] | None:
    body = {"data": [{"id": "1", "message_id": "wamid.A", "events": {"data": list(events)}}]}
    return message_history.read(web.json_response(body).body)  # type: ignore[arg-type] # bytes


def test_words_that_are_no_statuses_are_left_out() -> None:
    assert told(
        {"delivery_status": "ACCEPTED", "timestamp": 1764000000},
        {"delivery_status": "SENT", "timestamp": "1764000001"},
        {"delivery_status": "FAILED", "timestamp": 1764000002000, "error_description": "gone"},
        {"delivery_status": "READ"},
        {"delivery_status": 7, "timestamp": 1764000003},
        "nothing",
    ) == [Told("sent", 1764000001), Told("failed", 1764000002, "gone")]
    assert message_history.read(b"[]") is None
    assert message_history.read(b'{"error":{"code":100}}') is None


def test_only_what_goes_further_is_news() -> None:
    statuses = [Told("sent", 1), Told("delivered", 2), Told("failed", 3)]
    assert message_history.news(statuses, None) == statuses
    assert message_history.news(statuses, "sent") == statuses[1:]
