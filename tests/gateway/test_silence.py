"""The alarm of lines whose callbacks fall silent, under the sandbox's clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from running import ANN, LINE, Running, Start

NOWHERE = "http://127.0.0.1:9"
MINUTE = 60
OTHER_LINE = "106540352242923"

Metric = Callable[..., Awaitable[float]]


async def ready(running: Running) -> dict[str, Any]:
    await running.gateway.runner.catch_up()
    status, body = await running.get("/ready")
    assert (status, body["ready"]) == (200, True)
    return dict(body["silent"])


async def of_line(running: Running, line: str = LINE) -> Any:
    _, body = await running.get("/api/lines")
    [found] = [one for one in body["lines"] if one["line"] == line]
    return found["silent"]


async def test_sends_that_no_callback_follows_raise_the_alarm_until_one_comes(
    running: Running, metric: Metric
) -> None:
    await running.writes()
    there, running.simulator.callbacks.url = running.simulator.callbacks.url, NOWHERE
    assert (await running.text())[0] == 200
    [asked] = await running.events("SendRequested")
    await running.advance(14 * MINUTE)
    assert (await running.text())[0] == 200
    assert await ready(running) == {}
    assert await metric(running, "ledgerline_line_silent", line=LINE) == 0

    await running.advance(2 * MINUTE)
    alarm = {"since": asked["recorded_at"], "expected_every": 15 * MINUTE}
    assert await ready(running) == {LINE: alarm}
    assert await of_line(running) == alarm
    assert await metric(running, "ledgerline_line_silent", line=LINE) == 1
    assert await metric(running, "ledgerline_line_last_webhook_seconds", line=LINE) >= 16 * MINUTE

    running.simulator.callbacks.url = there
    await running.settled()
    assert await ready(running) == {}
    assert await of_line(running) is None
    assert await metric(running, "ledgerline_line_silent", line=LINE) == 0
    assert await metric(running, "ledgerline_line_last_webhook_seconds", line=LINE) < 16 * MINUTE


async def test_a_quiet_line_is_not_silent(running: Running, metric: Metric) -> None:
    assert await ready(running) == {}
    assert "ledgerline_line_last_webhook_seconds{" not in (await running.get("/metrics"))[1]
    await running.writes()
    assert (await running.text())[0] == 200
    await running.settled()
    await running.advance(7 * 24 * 60 * MINUTE)
    assert await ready(running) == {}
    assert await of_line(running) is None
    assert await metric(running, "ledgerline_line_silent", line=LINE) == 0


async def test_the_first_send_after_a_quiet_week_is_given_its_time(running: Running) -> None:
    await running.writes()
    await running.advance(7 * 24 * 60 * MINUTE)
    running.simulator.callbacks.url = NOWHERE
    template = {"name": "order_update", "language": {"code": "en_GB"}}
    body = {"messaging_product": "whatsapp", "to": ANN, "type": "template", "template": template}
    assert (await running.send(body))[0] == 200
    assert await ready(running) == {}
    await running.advance(15 * MINUTE)
    assert [*await ready(running)] == [LINE]


@pytest.mark.parametrize("kind", ["error", "drop_after_accept"])
async def test_what_whatsapp_did_not_surely_take_needs_no_answer(running: Running, kind: str) -> None:
    await running.writes()
    running.simulator.callbacks.url = NOWHERE
    await running.post("/sandbox/faults", {"kind": kind, "times": 1, "code": 131026, "http_status": 400})
    assert (await running.text())[0] != 200
    await running.advance(60 * MINUTE)
    assert await ready(running) == {}


async def test_each_line_may_have_its_own_patience(start: Start) -> None:
    async with start(silence_minutes=1, line={LINE: {"silence_minutes": 30}}) as running:
        await running.writes()
        running.simulator.callbacks.url = NOWHERE
        assert (await running.text())[0] == 200
        await running.advance(29 * MINUTE)
        assert await ready(running) == {}
        await running.advance(2 * MINUTE)
        assert (await ready(running))[LINE]["expected_every"] == 30 * MINUTE


async def test_a_line_that_is_no_longer_configured_raises_no_alarm(start: Start) -> None:
    async with start() as running:
        await running.writes()
        running.simulator.callbacks.url = NOWHERE
        assert (await running.text())[0] == 200
        await running.advance(60 * MINUTE)
        assert [*await ready(running)] == [LINE]
    async with start(lines=(OTHER_LINE,)) as running:
        running.simulator.callbacks.url = NOWHERE
        assert await ready(running) == {}
        assert await of_line(running) is None
