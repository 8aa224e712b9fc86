"""Template sends against what WhatsApp approved, on both faces, with the simulator as the oracle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from running import ANN, LINE, Running, Start, until, whatsapp

from gateway.sandbox import WABA

Json = dict[str, Any]


def text(value: str = "Ann", **more: str) -> Json:
    return {"type": "text", "text": value, **more}


def body(*parameters: Json) -> Json:
    return {"type": "body", "parameters": list(parameters)}


MOVE = {"type": "button", "sub_type": "url", "index": "1", "parameters": [text("7")]}
IMAGE = {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}
ORDER = {"type": "header", "parameters": [text("A-1042", parameter_name="order_number")]}
NAMES = ("first_name", "order_number", "day")

WRONG: list[tuple[str, list[Json], int, int, str]] = [
    ("appointment", [MOVE], 132000, 2000, "body.parameters"),
    ("appointment", [body(text()), MOVE], 132000, 2000, "body.parameters"),
    ("appointment", [body(text(), IMAGE["parameters"][0]), MOVE], 132012, 2012, "body.parameters[1]"),
    ("appointment", [body(text(), text("a\nb")), MOVE], 132018, 2006, "body.parameters[1].text"),
    ("appointment", [body(text("a     b"), text()), MOVE], 132018, 2006, "body.parameters[0].text"),
    ("appointment", [body(text("x" * 1024), text()), MOVE], 132005, 2005, "body"),
    ("appointment", [body(text(), text())], 131008, 1008, "buttons[1].parameters"),
    ("appointment", [body(text(), text()), MOVE | {"index": "0"}], 132012, 2012, "buttons[0].sub_type"),
    ("appointment", [body(text(), text()), MOVE, MOVE | {"index": 7}], 132012, 2012, "buttons[7]"),
    ("spring_catalogue", [body(text())], 132012, 2012, "header.parameters[0]"),
    (
        "order_shipped",
        [ORDER, body(text(), text(), text())],
        132012,
        2012,
        "body.parameters[0].parameter_name",
    ),
    (
        "order_shipped",
        [body(*(text(parameter_name=one) for one in NAMES))],
        132000,
        2000,
        "header.parameters",
    ),
    ("no_such_template", [], 132001, 2001, "no template of this name"),
]
RIGHT: list[tuple[str, list[Json]]] = [
    ("appointment", [body(text(), text("Monday")), MOVE]),
    ("spring_catalogue", [IMAGE, body(text())]),
    ("order_shipped", [ORDER, body(*(text(parameter_name=one) for one in reversed(NAMES)))]),
    ("hello_world", []),
    ("order_update", [body(text("anything"), text("goes"))]),
]


def send_of(name: str, components: list[Json]) -> Json:
    language = "en_US" if name == "hello_world" else "en_GB"
    template = {"name": name, "language": {"code": language}, "components": components}
    return {"messaging_product": "whatsapp", "to": f"+{ANN}", "type": "template", "template": template}


async def is_known(running: Running) -> bool:
    await running.gateway.runner.catch_up()
    _, answer = await running.get("/api/templates")
    return len(answer["templates"]) == len(running.simulator.templates)


@pytest.fixture
async def knowing(start: Start) -> AsyncIterator[Running]:
    async with start(waba=WABA) as running:
        await until(lambda: is_known(running))
        yield running


@pytest.mark.parametrize(("name", "components", "cloud", "onprem", "parameter"), WRONG)
async def test_a_send_that_does_not_fit_is_refused_on_both_faces_naming_the_part(
    knowing: Running, name: str, components: list[Json], cloud: int, onprem: int, parameter: str
) -> None:
    status, answer = await knowing.send(send_of(name, components))

    assert (status, answer["error"]["code"]) == (404 if cloud == 132001 else 400, cloud)
    assert parameter in answer["error"]["error_data"]["details"] or cloud == 132005
    assert knowing.headers["Ledgerline-Outcome"] == "refused"
    status, answer = await knowing.post("/v1/messages", send_of(name, components))
    assert answer["errors"][0]["code"] == onprem
    assert await knowing.accepted() == []
    refused = await knowing.events("SendRefused")
    assert [one["data"]["decision"]["allowed"] for one in refused] == [False, False]


@pytest.mark.parametrize(("name", "components", "cloud"), [row[:3] for row in WRONG])
async def test_what_the_gateway_refuses_whatsapp_would_refuse_with_the_same_code(
    start: Start, name: str, components: list[Json], cloud: int
) -> None:
    async with start(waba=WABA, policy="observe") as running:
        await until(lambda: is_known(running))
        _, answer = await running.send(send_of(name, components))

        assert running.headers["Ledgerline-Outcome"] == "failed"
        assert answer["error"]["code"] == cloud
        [requested] = await running.events("SendRequested")
        assert requested["data"]["decision"]["observed"] is True


@pytest.mark.parametrize(("name", "components"), RIGHT)
async def test_what_fits_is_sent(knowing: Running, name: str, components: list[Json]) -> None:
    status, answer = await knowing.send(send_of(name, components))

    assert status == 200, answer
    assert len(await knowing.accepted()) == 1


@pytest.mark.parametrize(
    ("status", "cloud", "onprem"),
    [("PAUSED", 132015, 2061), ("DISABLED", 132016, 2062), ("REJECTED", 132001, 2001)],
)
async def test_a_template_stops_and_starts_with_what_whatsapp_calls_back(
    knowing: Running, status: str, cloud: int, onprem: int
) -> None:
    await knowing.post("/sandbox/templates/order_update", {"status": status})
    await knowing.settled()

    assert (await knowing.send(send_of("order_update", [])))[1]["error"]["code"] == cloud
    answer = (await knowing.post("/v1/messages", send_of("order_update", [])))[1]
    assert answer["errors"][0]["code"] == onprem
    await knowing.advance(60)
    await knowing.post("/sandbox/templates/order_update", {"status": "APPROVED"})
    await knowing.settled()
    assert (await knowing.send(send_of("order_update", [])))[0] == 200


@pytest.mark.parametrize("status", ["PAUSED", "DISABLED"])
async def test_a_status_that_only_a_callback_told_counts_for_a_day(running: Running, status: str) -> None:
    await running.post("/sandbox/templates/order_update", {"status": status})
    await running.settled()
    running.simulator.callbacks.url = "http://127.0.0.1:9/"
    running.simulator.change_template("order_update", "APPROVED", None)
    running.simulator.callbacks.url = f"{running.url}/webhooks/whatsapp"

    await running.advance(24 * 3600 - 60)
    await running.send(send_of("order_update", []))
    assert running.headers["Ledgerline-Outcome"] == "refused"
    await running.advance(60)
    assert (await running.send(send_of("order_update", [])))[0] == 200


async def test_a_status_that_the_list_confirms_counts_for_longer(knowing: Running) -> None:
    await knowing.post("/sandbox/templates/order_update", {"status": "PAUSED"})
    await knowing.settled()
    await knowing.advance(25 * 3600)
    await knowing.send(send_of("order_update", []))
    assert knowing.headers["Ledgerline-Outcome"] == "refused"


async def test_a_new_template_is_asked_for_before_it_is_called_missing(knowing: Running) -> None:
    new = send_of("brand_new", [])
    assert (await knowing.send(new))[1]["error"]["code"] == 132001
    assert knowing.headers["Ledgerline-Outcome"] == "refused"
    await knowing.advance(3600)

    await knowing.send(new)
    assert knowing.headers["Ledgerline-Outcome"] == "failed", "an old list is no proof: WhatsApp was asked"


async def test_a_line_of_another_account_is_not_judged_by_this_ones_list(start: Start) -> None:
    async with start(waba=WABA, lines=(LINE, "42")) as running:
        await until(lambda: is_known(running))
        await running.post("/sandbox/templates/order_update", {"status": "PAUSED"})
        await running.settled()
        for name in ("no_such_template", "order_update"):
            await running.send(send_of(name, []))
            assert running.headers["Ledgerline-Outcome"] == "refused"
            await running.send(send_of(name, []), line="42")
            assert running.headers["Ledgerline-Outcome"] == "failed", "WhatsApp was asked"


async def test_where_whatsapp_names_no_numbers_nothing_is_called_missing(start: Start) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/phone_numbers"):
            return web.json_response({"error": {"code": 10}}, status=403)
        if request.path.endswith("/message_templates"):
            return web.json_response({"data": []})
        return web.json_response({"messages": [{"id": "wamid.A"}]})

    async with whatsapp(answer) as (url, _), start(upstream_url=url, waba=WABA) as running:
        assert (await running.post("/api/templates/sync", {}))[0] == 200
        assert (await running.send(send_of("no_such_template", [])))[0] == 200


async def test_what_was_never_listed_is_forwarded(running: Running) -> None:
    await running.send(send_of("no_such_template", []))
    assert running.headers["Ledgerline-Outcome"] == "failed"


async def test_the_text_that_the_person_reads_is_kept_sealed(knowing: Running) -> None:
    await knowing.send(send_of(*RIGHT[0]))

    [requested] = await knowing.events("SendRequested")
    assert requested["data"].pop("opened")["rendered"] == (
        "Appointment\nHello Ann, we expect you on Monday.\nSandbox Surgery\n"
        "[I'll be there]\n[Move it: https://surgery.example/move/7]"
    )
    assert "Monday" not in str(requested)


@pytest.mark.parametrize(
    ("drift", "outcome", "warned"),
    [("accept", "accepted", False), ("warn", "accepted", True), ("refuse", "refused", False)],
)
async def test_a_line_says_what_becomes_of_a_template_made_a_marketing_one(
    start: Start, drift: str, outcome: str, *, warned: bool
) -> None:
    line = {LINE: {"template_category_drift": drift}}
    async with start(waba=WABA, line=line) as running:
        await until(lambda: is_known(running))
        await running.post("/sandbox/templates/order_update", {"category": "MARKETING"})
        await running.settled()
        _, answer = await running.send(send_of("order_update", []))

        assert running.headers["Ledgerline-Outcome"] == outcome
        assert ("Ledgerline-Warning" in running.headers) is warned
        if outcome == "refused":
            assert answer["error"]["code"] == 132015
            assert "marketing" in answer["error"]["error_data"]["details"]
