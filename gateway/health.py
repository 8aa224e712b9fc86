"""What an operator's machines ask: /live, /ready, /metrics, and /v1/health of the on-premises API."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway import errors
from gateway.access import key_of
from gateway.api import views
from gateway.gateway import GATEWAY, Gateway
from gateway.silence import lines as lines_of
from gateway.silence import silence
from gateway.store.destinations import Overview
from gateway.store.patience import within
from gateway.store.postgres import DATABASE_GONE
from projections.lines import LineState

MAX_LAG: Final = 10_000
"""Events a projection may be behind before the gateway asks for no more traffic; sends stay exact anyhow."""

PATIENCE: Final = 5.0
"""Seconds until a database that says nothing counts as gone."""


async def live(_: web.Request) -> web.Response:
    """The process answers."""
    return errors.json({"live": True})


async def ready(request: web.Request) -> web.Response:
    """200 when the database answers and every projection keeps up; 503 and what is wrong otherwise.

    Silent lines are named and change nothing: another gateway would hear no more of them.
    """
    gateway = request.app[GATEWAY]
    state, lines = await _state(gateway)
    now = gateway.clock()
    found = {line: silence(gateway.settings, line, one, now) for line, one in lines.items()}
    state["silent"] = {line: views.silence(one) for line, one in found.items() if one}
    return errors.json(state, status=200 if state["ready"] else 503)


async def gateway_status(request: web.Request) -> web.Response:
    """GET /v1/health: 200 as in the on-premises API; connected while the database answers."""
    key_of(request)
    state, _ = await _state(request.app[GATEWAY])
    status = "connected" if state["database"] == "answers" else "disconnected"
    return errors.json({"health": {"gateway_status": status}, "meta": errors.META})


async def _state(gateway: Gateway) -> tuple[dict[str, Any], dict[str, LineState]]:
    try:
        standings = await within(PATIENCE, gateway.runner.lag())
        lines = await within(PATIENCE, lines_of(gateway))
    except DATABASE_GONE as error:
        return {"ready": False, "database": type(error).__name__, "projections": {}}, {}
    projections = {
        name: {
            "position": standing.position,
            "lag": standing.head - standing.position,
            "dead_letters": standing.dead_letters,
        }
        for name, standing in standings.items()
    }
    keeping_up = all(one["lag"] <= MAX_LAG for one in projections.values())
    head = max((standing.head for standing in standings.values()), default=0)
    state = {"ready": keeping_up, "database": "answers", "head": head, "projections": projections}
    return state, lines


async def metrics(request: web.Request) -> web.Response:
    """Prometheus' text format."""
    gateway = request.app[GATEWAY]
    state, lines = await _state(gateway)
    _sound(gateway, lines)
    await _destinations(gateway)
    gateway.metrics.head.set(state.get("head", 0))
    gateway.metrics.waiting.set(gateway.log.waiting)
    for name, one in state["projections"].items():
        gateway.metrics.lag.labels(name).set(one["lag"])
        gateway.metrics.dead_letters.labels(name).set(one["dead_letters"])
    return web.Response(body=gateway.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _sound(gateway: Gateway, lines: dict[str, LineState]) -> None:
    """The gauges of each line; none at all while the database says nothing."""
    now, silent, last = gateway.clock(), gateway.metrics.silent, gateway.metrics.last_webhook
    gateway.metrics.forget_lines()
    for line, state in lines.items():
        gateway.metrics.unknown.labels(line).set(state.unknown)
        silent.labels(line).set(silence(gateway.settings, line, state, now) is not None)
        if state.last_webhook_at:
            last.labels(line).set((now - state.last_webhook_at).total_seconds())


async def _destinations(gateway: Gateway) -> None:
    """The gauges of each destination; none at all while the database says nothing."""
    metrics = gateway.metrics
    try:
        found = await within(PATIENCE, _backlogs(gateway))
    except DATABASE_GONE:
        found = []
    metrics.forget_destinations()
    for one, events, seconds in found:
        metrics.delivery_lag.labels(one.name).set(events)
        metrics.delivery_age.labels(one.name).set(seconds)
        metrics.parked.labels(one.name).set(one.parked)
        metrics.undelivered.labels(one.name).set(one.dead)
        metrics.active.labels(one.name).set(one.state == "active")


async def _backlogs(gateway: Gateway) -> list[tuple[Overview, int, float]]:
    """Of each destination: events it has not got, and for how many seconds the oldest waits."""
    found = await gateway.destinations.overview()
    head = await gateway.log.head() if found else 0
    behind, now = {one.position for one in found if one.position < head}, gateway.clock()
    ages = {position: await gateway.log.age_after(position, now) for position in behind}
    return [(one, max(0, head - one.position), ages.get(one.position, 0.0)) for one in found]
