"""Counts, templates, lines, and the description of it all, over HTTP."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import hdrs
from running import ANN, LINE, Running, Start

from gateway import sandbox
from gateway.app import Databases, create_app
from gateway.settings.loading import load

PAYLOADS = Path(__file__).parents[1] / "payloads"
OTHER_LINE = "106000000000001"
FULL = f"sandbox:{sandbox.API_KEY}:send+read+content+admin"


async def traffic(running: Running) -> None:
    """Two texts and a template, all delivered."""
    await running.writes()
    for _ in range(2):
        assert (await running.text())[0] == 200
    template = {"name": "order_update", "language": {"code": "en_GB"}}
    body = {"messaging_product": "whatsapp", "to": ANN, "type": "template", "template": template}
    assert (await running.send(body))[0] == 200
    await running.settled()


async def counts(running: Running, **query: Any) -> list[dict[str, Any]]:
    status, body = await running.get("/api/reports/counts", **query)
    assert status == 200, body
    return list(body["rows"])


async def test_counts_are_of_the_current_month_by_day(running: Running) -> None:
    await traffic(running)
    status, body = await running.get("/api/reports/counts")
    [event, *_] = await running.events("SendAccepted")
    assert status == 200
    assert body.keys() == {"as_of", "time_zone", "currency", "rows", "totals"}
    assert [row["day"] for row in body["rows"]] == [event["recorded_at"][:10]]
    assert (body["totals"]["accrued"], body["totals"]["delivered"]) == (3, 3)
    assert body["as_of"] == len(await running.events())


async def test_counts_are_grouped_by_what_is_asked(running: Running) -> None:
    await traffic(running)
    by_type = {row["type"]: row["accrued"] for row in await counts(running, group_by="type")}
    assert by_type == {"text": 2, "template": 1}
    commas = await counts(running, group_by="line,template")
    delivered = {(row["line"], row["template"]): row["delivered"] for row in commas}
    assert delivered == {(LINE, None): 2, (LINE, "order_update"): 1}
    status, body = await running.get("/api/reports/counts?group_by=line&group_by=template")
    assert (status, body["rows"]) == (200, commas)
    [month] = await counts(running, group_by="month")
    assert month["month"] == (await running.events())[0]["recorded_at"][:7]
    assert await counts(running, line=OTHER_LINE) == []
    assert await counts(running, **{"from": "2020-01-01", "to": "2020-02-01"}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("group_by", "contact"), ("group_by", "day,x"), ("from", "1.1.2026"), ("to", "tomorrow")],
)
async def test_a_wrong_report_is_refused_by_name(running: Running, name: str, value: str) -> None:
    status, body = await running.get("/api/reports/counts", **{name: value})
    assert (status, body["type"], body["parameter"]) == (400, "urn:ledgerline:bad-parameter", name)


async def test_a_bound_key_counts_its_own_line_only(start: Start) -> None:
    async with start(api_keys=(f"bound:{sandbox.API_KEY}:read@{LINE}",)) as running:
        status, body = await running.get("/api/reports/counts")
        assert (status, body["parameter"]) == (400, "line")
        assert (await running.get("/api/reports/counts", line=OTHER_LINE))[0] == 403
        assert await counts(running, line=LINE) == []


async def test_templates_are_as_callbacks_told(running: Running) -> None:
    assert await running.get("/api/templates") == (200, {"templates": []})
    assert await running.callback((PAYLOADS / "cloud_template_status_approved.json").read_bytes()) == 200
    await running.settled()
    status, body = await running.get("/api/templates")
    assert status == 200
    [template] = body["templates"]
    assert template["account"] == "102000000000001"
    assert [
        template[name] for name in ("name", "language", "status", "status_at", "category", "quality")
    ] == [
        "winter_sale",
        "en_US",
        "APPROVED",
        "2026-11-22T01:00:00Z",
        "MARKETING",
        None,
    ]


async def test_lines_tell_what_they_do_and_what_whatsapp_says(running: Running) -> None:
    _, before = await running.get("/api/lines")
    [line] = before["lines"]
    shown = ("line", "configured", "mode", "last_webhook_at", "last_send_at", "unknown", "token")
    assert [line[name] for name in shown] == [LINE, True, "enforce", None, None, 0, "valid"]
    await traffic(running)
    inbound = orjson.loads((PAYLOADS / "cloud_inbound_text.json").read_bytes())
    assert await running.callback(inbound) == 200
    await running.settled()
    _, after = await running.get("/api/lines")
    unasked, line = after["lines"]
    assert (unasked["line"], unasked["configured"], unasked["token"]) == (OTHER_LINE, False, None)
    assert line["last_webhook_at"] is not None
    assert line["last_send_at"] is not None


def served(path: str) -> set[tuple[str, str]]:
    """Method and path of every route of an app that was not started.

    Catch-alls are no offer, nor are other spellings of a path.
    """
    settings = load(**dict(sandbox.SETTINGS))
    app = create_app(settings, Databases("", "", (base64.b64decode(b"AA=="),)))
    routes = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource]
    return {
        (method, found)
        for method, found in routes
        if found.startswith(path) and method not in (hdrs.METH_ANY, hdrs.METH_HEAD) and "{slash}" not in found
    }


async def test_the_description_lists_exactly_what_is_served(running: Running) -> None:
    status, described = await running.get("/openapi.json")
    assert status == 200
    listed = {
        (method.upper(), path)
        for path, about in described["paths"].items()
        for method in about
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert listed == served("/")
    assert {
        ("POST", "/v1/messages"),
        ("POST", "/{version}/{line}/messages"),
        ("GET", "/api/messages/{id}"),
    } <= listed
