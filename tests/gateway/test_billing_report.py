"""The billing report over HTTP and by the command, as of now and of older positions."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from running import ANN, LINE, Running, whatsapp

from domain.billing.cards import read
from domain.billing.eras import always
from domain.billing.rates import Card
from gateway import report
from gateway import sandbox as sandboxed
from gateway.api.reports import Asked
from gateway.reports import bill_texts
from gateway.reports.analytics import NoAnalyticsError, fetched
from gateway.reports.as_of import NoPositionError
from gateway.reports.billing import Terms
from gateway.reports.filters import WrongFilterError
from gateway.store.rate_cards import RateCards
from gateway.upstream import Upstream

HEAD = "market,category,tier,rate,currency,valid_from,valid_to"
CARD = f"""{HEAD}
United Kingdom,utility,1:1,0.022,USD,2026-01-01,
United Kingdom,utility,2:MAX,0.020,USD,2026-01-01,
United Kingdom,marketing,,0.0635,USD,2026-01-01,
"""
ALL = {"from": "2026-01-01", "to": "2100-01-01"}
ORDER = {"name": "order_update", "language": {"code": "en_GB"}}


async def imports(running: Running, text: str = CARD) -> str:
    added = await RateCards("ledgerline").add(
        running.gateway.pool, text, currency="USD", source="x.csv", by="ops", now=running.gateway.clock()
    )
    assert isinstance(added, Card)
    return added.card_id


async def traffic(running: Running, templates: int = 2) -> None:
    """A text and some templates, all delivered."""
    await running.writes()
    assert (await running.text())[0] == 200
    for _ in range(templates):
        body = {"messaging_product": "whatsapp", "to": ANN, "type": "template", "template": ORDER}
        assert (await running.send(body))[0] == 200
    await running.settled()


async def billing(running: Running, **query: Any) -> dict[str, Any]:
    status, body = await running.get("/api/reports/billing", **(ALL | query))
    assert status == 200, body
    return dict(body)


async def test_the_report_tells_what_is_charged_by_which_terms_and_card(running: Running) -> None:
    card_id = await imports(running)
    await traffic(running)
    body = await billing(running, group_by="category,market")
    by_category = {row["category"]: row for row in body["rows"]}
    service = by_category["service"]
    assert (service["market"], service["free_reasons"], service["cost"]) == (
        "United Kingdom",
        {"free_tier": 1},
        "0",
    )
    utility = by_category["utility"]
    figures = ("accrued", "delivered", "free", "billable", "billable_whatsapp", "cost", "cost_complete")
    assert [utility[name] for name in figures] == [2, 2, 0, 2, 2, "0.042", True]
    assert [body["totals"][name] for name in figures] == [3, 3, 1, 2, 2, "0.042", True]
    assert (body["eras"], body["cards"], body["missing_rates"]) == (["message-and-service"], [card_id], [])
    assert (body["currency"], body["time_zone"]) == ("USD", "UTC")


async def test_the_report_is_had_as_csv_that_says_what_it_was_counted_by(running: Running) -> None:
    card_id = await imports(running)
    await traffic(running)
    query = ALL | {"group_by": "category,month"}
    async with running.http.get(
        f"{running.url}/api/reports/billing", params=query, headers={"Accept": "text/csv"}
    ) as answer:
        assert (answer.status, answer.content_type) == (200, "text/csv")
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    body = await billing(running, **query)
    about = (body["currency"], body["time_zone"], str(body["as_of"]), "message-and-service", card_id)
    for row, told in zip(rows, body["rows"], strict=True):
        assert tuple(row[name] for name in ("currency", "time_zone", "as_of", "eras", "cards")) == about
        assert [row[name] for name in ("month", "category", "cost")] == [
            told[name] for name in ("month", "category", "cost")
        ]
    assert [row["free_reasons"] for row in rows] == ["free_tier:1", ""]


async def test_a_missing_rate_leaves_the_cost_incomplete_and_is_named(running: Running) -> None:
    await traffic(running, templates=1)
    body = await billing(running, group_by="month")
    [row] = body["rows"]
    assert (row["delivered"], row["billable"], row["cost"], row["cost_complete"]) == (2, 1, "0", False)
    [missing] = body["missing_rates"]
    named = ("market", "category", "lacks", "messages")
    assert [missing[name] for name in named] == ["United Kingdom", "utility", "rate", 1]


async def test_events_that_nobody_could_read_are_counted_as_missing(running: Running) -> None:
    await traffic(running, templates=1)
    first = await billing(running)
    await running.gateway.pool.execute(
        "insert into ledgerline.dead_letters values ('counts_v2', 3, 'Error'), ('counts_v2', 5, 'Error')"
    )
    second = await billing(running)
    assert (first["unread"], second["unread"], (await billing(running, as_of=4))["unread"]) == (0, 2, 1)
    assert "2 events could not be read: what they tell is in no figure" in "\n".join(
        bill_texts.billing(second)
    )


async def test_the_same_position_gives_the_same_report_whatever_came_later(running: Running) -> None:
    await imports(running)
    await traffic(running)
    first = await billing(running, group_by="day,category,type,template,caller,line")
    await traffic(running)
    later = await billing(running)
    again = await billing(running, group_by="day,category,type,template,caller,line", as_of=first["as_of"])
    assert again == first
    assert later["totals"]["delivered"] == 2 * first["totals"]["delivered"]
    assert await billing(running, as_of=later["as_of"]) == later
    assert (await billing(running, as_of=0))["rows"] == []
    assert await billing(running, as_of=first["as_of"]) == await billing(running, as_of=first["as_of"])


async def test_a_time_stands_for_the_last_position_that_was_recorded_by_then(running: Running) -> None:
    await imports(running)
    await traffic(running)
    first = await billing(running)
    between = running.gateway.clock() + timedelta(minutes=30)
    await running.advance(3600)
    await traffic(running)
    assert await billing(running, as_of=between.isoformat()) == first
    zoned = between.astimezone(ZoneInfo("Asia/Kolkata")).isoformat()
    assert (await billing(running, as_of=zoned))["as_of"] == first["as_of"]
    assert (await billing(running, as_of="2001-01-01T00:00:00Z"))["as_of"] == 0
    assert await billing(running, as_of="2099-01-01T00:00:00Z") == await billing(running)
    settings, pool = running.gateway.settings, running.gateway.pool
    asked = Asked(date(2026, 1, 1), date(2100, 1, 1), "UTC", None)
    assert await report.billing(pool, settings, asked, ["day"], as_of=between.isoformat()) == first
    with pytest.raises(NoPositionError, match="a position of the log, from 0 to"):
        await report.billing(pool, settings, asked, ["day"], as_of="999999")


async def test_a_figure_can_be_followed_to_its_messages(running: Running) -> None:
    await imports(running)
    await traffic(running, templates=3)
    query = ALL | {"category": "utility", "billable": "true"}
    status, page = await running.get("/api/reports/billing/messages", **query, limit=2)
    assert status == 200, page
    _, rest = await running.get("/api/reports/billing/messages", **query, after=page["next"])
    told = [*page["messages"], *rest["messages"]]
    assert [one["cost"] for one in told] == ["0.022", "0.02", "0.02"]
    accepted = {event["data"]["message_key"] for event in await running.events("SendAccepted")}
    assert {one["message_key"] for one in told} < accepted
    _, log = await running.get("/api/events", limit=1000)
    by_position = {event["position"]: event["data"] for event in log["events"]}
    for one in told:
        assert by_position[one["position"]]["message_key"] == one["message_key"]
    _, none = await running.get("/api/reports/billing/messages", **ALL, differs="true")
    assert none["messages"] == []


async def test_what_accrued_counts_can_be_followed_to_its_sends(running: Running) -> None:
    await traffic(running, templates=3)
    before = await billing(running, group_by="type,category")
    running.simulator.callbacks.url = "http://127.0.0.1:9"
    body = {"messaging_product": "whatsapp", "to": ANN, "type": "template", "template": ORDER}
    await running.send(body)
    await running.gateway.runner.catch_up()

    async def sends(**query: Any) -> list[dict[str, Any]]:
        status, page = await running.get("/api/reports/billing/sends", **(ALL | query))
        assert status == 200, page
        return list(page["sends"])

    told, dispatched = await sends(), await running.events("SendDispatched")
    assert {one["send_id"] for one in told} == {event["data"]["send_id"] for event in dispatched}
    for row in before["rows"]:
        same = {name: row[name] or "" for name in ("type", "category")}
        assert len(await sends(as_of=before["as_of"], **same)) == row["accrued"]
    assert await sends(after=1, limit=2) == told[1:3]
    [text] = await sends(type="text")
    assert (text["market"], text["category"]) == ("United Kingdom", "service")
    assert await sends(line="1") == []
    status, problem = await running.get("/api/reports/billing/sends", billable="true")
    assert (status, problem["parameter"]) == (400, "billable")


async def test_a_message_of_another_system_is_found_by_the_key_in_the_report(
    running: Running,
) -> None:
    status = {
        "id": "wamid.OTHER",
        "status": "delivered",
        "timestamp": str(int(running.gateway.clock().timestamp())),
        "recipient_id": ANN,
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "marketing", "type": "regular"},
    }
    metadata = {"display_phone_number": "15550783881", "phone_number_id": LINE}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    entry = [{"id": sandboxed.WABA, "changes": [{"field": "messages", "value": value}]}]
    assert await running.callback({"object": "whatsapp_business_account", "entry": entry}) == 200
    await running.settled()

    _, page = await running.get("/api/reports/billing/messages", **ALL)
    [one] = page["messages"]
    found, message = await running.get(f"/api/messages/{one['message_key']}")
    missing, _ = await running.get("/api/messages/00000000-0000-0000-0000-000000000001")

    assert (one["send_id"], one["category"], one["lacks"]) == (None, "marketing", "rate")
    assert (found, message["message_id"], missing) == (200, "wamid.OTHER", 404)
    assert [event["position"] for event in message["events"]] == [one["position"]]


async def test_the_command_lists_what_stands_behind_a_figure(running: Running) -> None:
    await imports(running)
    await traffic(running, templates=3)
    settings, pool = running.gateway.settings, running.gateway.pool
    asked = Asked(date(2026, 1, 1), date(2100, 1, 1), "UTC", None)

    body = await report.charges(pool, settings, asked, {"billable": "true"}, after=1, limit=2)

    _, page = await running.get("/api/reports/billing/messages", **ALL, billable="true", after=1, limit=2)
    assert body == page
    body["rows"] = body.pop("messages")
    assert set(bill_texts.READ) < set(bill_texts.MESSAGE) == set(body["rows"][0])
    assert body["rows"][0]["send_id"] in "\n".join(bill_texts.charges(body))
    with pytest.raises(WrongFilterError):
        await report.charges(pool, settings, asked, {"billable": "perhaps"}, after=0, limit=2)


async def test_a_message_tells_its_charge_once_it_is_delivered(running: Running) -> None:
    await imports(running)
    await traffic(running)
    found = await running.events("SendAccepted")
    charges = []
    for event in found:
        _, message = await running.get(f"/api/messages/{event['data']['send_id']}")
        charges.append(message["charge"])
    text, first, second = charges
    assert text == {
        "market": "United Kingdom",
        "category": "service",
        "billable": False,
        "free_because": "free_tier",
        "rate": None,
        "cost": "0",
        "currency": "USD",
        "estimated": False,
    }
    assert sorted([first["cost"], second["cost"]]) == ["0.02", "0.022"]
    assert (first["billable"], first["free_because"]) == (True, None)


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("", "group_by", "pricing_type"),
        ("", "to", "1999-12-31"),
        ("", "as_of", "-1"),
        ("", "as_of", "999999"),
        ("", "as_of", "9" * 19),
        ("", "as_of", "٣"),
        ("", "as_of", "yesterday"),
        ("", "as_of", "2026-11-01T00:00:00"),
        ("/messages", "billable", "perhaps"),
        ("/messages", "limit", "0"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(
    running: Running, path: str, name: str, value: str
) -> None:
    status, body = await running.get(f"/api/reports/billing{path}", **{name: value})
    assert (status, body["parameter"]) == (400, name)


async def test_the_line_is_a_filter_of_what_is_priced_over_all_lines(running: Running) -> None:
    await imports(running)
    await traffic(running, templates=1)
    assert (await billing(running, line=LINE))["totals"]["delivered"] == 2
    other = await billing(running, line="106000000000001")
    assert (other["rows"], other["totals"]["accrued"]) == ([], 0)


async def test_the_command_tells_what_the_api_does(running: Running) -> None:
    await imports(running)
    await traffic(running)
    asked = Asked(date(2026, 1, 1), date(2100, 1, 1), "UTC", None)
    settings, pool = running.gateway.settings, running.gateway.pool
    body = await report.billing(pool, settings, asked, ["category"])
    assert body == await billing(running, group_by="category")
    told = "\n".join(bill_texts.billing(body))
    assert "free 1, billable 2 (by WhatsApp 2): 0.042 USD\n" in told
    assert "free_tier:1" in told


async def test_whatsapps_own_analytics_are_fetched_and_a_lost_status_is_named(running: Running) -> None:
    await imports(running)
    await traffic(running)
    settings, pool, upstream = running.gateway.settings, running.gateway.pool, running.gateway.upstream
    today = running.gateway.clock().date()
    asked = Asked(today, today + timedelta(days=1), "UTC", None)

    async def compared() -> dict[str, Any]:
        told = await fetched(upstream, sandboxed.WABA, asked, now=running.gateway.clock())
        return await report.compared(pool, settings, asked, told)

    agreed = await compared()
    running.simulator.callbacks.url = "http://127.0.0.1:9"
    body = {"messaging_product": "whatsapp", "to": ANN, "type": "template", "template": ORDER}
    _, _ = await running.send(body)
    lost = running.headers["Ledgerline-Send-Id"]
    found = await compared()

    assert (agreed["causes"], agreed["messages"]) == ({}, [])
    assert agreed["totals"] == {"volume": 3, "volume_whatsapp": 3, "differing": 0}
    assert found["causes"] == {"lost_status": 1}
    assert [(one["cause"], one["send_id"]) for one in found["messages"]] == [("lost_status", lost)]
    assert "lost_status: the status that would say so" in "\n".join(bill_texts.compared(found))


async def test_what_can_not_be_fetched_is_said_without_whatsapps_words(running: Running) -> None:
    now, upstream = running.gateway.clock(), running.gateway.upstream
    today, week = now.date(), timedelta(days=7)
    begun, to_come = (Asked(day, day + week, "UTC", None) for day in (today, today + week))
    with pytest.raises(NoAnalyticsError, match=f"HTTP 400, code 100, when asked for .* of {today}"):
        await fetched(upstream, "1", begun, now=now)
    assert await fetched(upstream, "1", to_come, now=now) == {}


@pytest.mark.parametrize(
    "said", ['{"error":{"code":"of +447700900123"}}', '{"error":{"code":{}}}', "[]", "no JSON"]
)
async def test_a_code_that_is_none_is_not_said_either(said: str) -> None:
    now = datetime(2026, 11, 2, tzinfo=UTC)
    asked = Asked(date(2026, 11, 1), date(2026, 11, 2), "UTC", None)

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=said, status=400)

    async with whatsapp(answer) as (url, _):
        upstream = Upstream(url, "token", timeout=5.0)
        with pytest.raises(NoAnalyticsError, match="HTTP 400, code none, when"):
            await fetched(upstream, "1", asked, now=now)
        await upstream.close()


async def test_other_terms_can_be_supposed(running: Running) -> None:
    await imports(running)
    await traffic(running)
    asked = Asked(date(2026, 1, 1), date(2100, 1, 1), "UTC", None)
    settings, pool = running.gateway.settings, running.gateway.pool
    dearer = read(f"{HEAD}\nUnited Kingdom,utility,,0.5,USD,2026-01-01,\n")
    assert isinstance(dearer, Card)
    by_card = await report.billing(pool, settings, asked, [], terms=Terms(card=dearer))
    by_era = await report.billing(pool, settings, asked, [], terms=Terms(eras=always("message")))
    assert (by_card["totals"]["cost"], by_card["cards"]) == ("1", [dearer.card_id])
    assert by_era["totals"]["free_reasons"] == {"not_charged": 1, "window": 2}
    assert (await billing(running))["totals"]["cost"] == "0.042"


async def test_a_closed_month_stays_and_what_comes_later_is_an_adjustment(running: Running) -> None:
    await imports(running)
    await traffic(running)
    settings, pool, now = running.gateway.settings, running.gateway.pool, running.gateway.clock()
    month = now.date().replace(day=1)

    first = await report.closed(pool, settings, month, by="ann", now=now)
    await traffic(running, templates=1)
    later = await report.closed(pool, settings, month, by="bob", now=now)

    assert (first["rows"], first["totals"]["cost"], first["closed_by"]) == ([], "0.042", "ann")
    kept = ("totals", "closed_by", "closed_at", "closed_as_of")
    assert [later[name] for name in kept] == [first[name] for name in kept]
    service, utility = later["rows"]
    assert (service["category"], service["delivered"], service["free"], service["cost"]) == (
        "service",
        1,
        1,
        "0",
    )
    assert (utility["category"], utility["billable"], utility["cost"]) == ("utility", 1, "0.02")
    told = "\n".join(bill_texts.closed(later))
    assert f"Adjustment up to position {later['as_of']}: 0.02 USD" in told
    assert "free_tier:1" in told
    assert (later["adjustment"]["delivered"], later["adjustment"]["cost"]) == (2, "0.02")
    assert later["bill"] == first["bill"]


async def test_a_closed_month_stays_in_the_zone_in_which_it_was_closed(running: Running) -> None:
    await traffic(running, templates=1)
    settings, pool, now = running.gateway.settings, running.gateway.pool, running.gateway.clock()
    month = now.date().replace(day=1)

    first = await report.closed(pool, settings, month, by="ann", now=now)
    elsewhere = settings.model_copy(update={"time_zone": "Asia/Kolkata"})
    later = await report.closed(pool, elsewhere, month, by="ann", now=now)

    assert (first["time_zone"], later["time_zone"], later["bill"]) == ("UTC", "UTC", first["bill"])
    [lack] = later["bill"]["missing_rates"]
    assert bill_texts.missing(lack).endswith("(message-and-service): no rate")
