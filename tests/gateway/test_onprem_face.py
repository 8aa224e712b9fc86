"""Sends over the on-premises face: the sunset API's requests, served by the Cloud API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from running import ANN, LINE, Running, Start

Metric = Callable[..., Awaitable[float]]
Payload = Callable[[str], Any]

META = {"api_status": "stable", "version": "2.53.1"}
OTHER = "106000000000001"
TEXT = {"to": ANN, "recipient_type": "individual", "type": "text", "text": {"body": "On its way."}}
ORDER = {"name": "order_update", "language": {"policy": "deterministic", "code": "en_GB"}}
TEMPLATE = {"to": ANN, "type": "template", "template": ORDER | {"namespace": "8b1f_example"}}

BUTTONS = {
    "type": "button",
    "body": {"text": "Is it right?"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
}


def sent(running: Running) -> dict[str, Any]:
    """The only body that reached WhatsApp, without our callback data."""
    [message] = running.simulator.accepted.values()
    body = dict(message.body)
    assert body.pop("biz_opaque_callback_data").startswith("ll1.")
    return body


def cloud(message: dict[str, Any]) -> dict[str, Any]:
    """What the Cloud API is to get."""
    return {"messaging_product": "whatsapp", "to": f"+{ANN}"} | message


def failure(answer: Any) -> dict[str, Any]:
    """The only error of an answer in the on-premises dialect."""
    assert answer["meta"] == META
    [error] = answer["errors"]
    assert error.keys() == {"code", "title", "details"}
    return dict(error)


async def send(running: Running, body: Any, **more: Any) -> tuple[int, Any]:
    """POST to the on-premises face."""
    return await running.post("/v1/messages", body, **more)


@asynccontextmanager
async def answering(body: Any, status: int = 200) -> AsyncIterator[str]:
    """A server in WhatsApp's place that always gives this answer: its URL."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("asked", "arrives"),
    [
        (TEXT, {"recipient_type": "individual", "type": "text", "text": {"body": "On its way."}}),
        (
            {"to": f"+{ANN}", "text": {"body": "https://a.example/"}, "preview_url": True, "ttl": 60},
            {"text": {"body": "https://a.example/", "preview_url": True}},
        ),
        (
            {"to": ANN, "type": "image", "image": {"id": "1", "caption": "It", "provider": {"name": "p"}}},
            {"type": "image", "image": {"id": "1", "caption": "It"}},
        ),
        (
            {"to": ANN, "type": "document", "document": {"link": "https://a.example/a", "filename": "a.pdf"}},
            {"type": "document", "document": {"link": "https://a.example/a", "filename": "a.pdf"}},
        ),
        (
            {"to": ANN, "type": "location", "location": {"latitude": "1", "longitude": "2"}},
            {"type": "location", "location": {"latitude": "1", "longitude": "2"}},
        ),
        (
            {"to": ANN, "type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]},
            {"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]},
        ),
        (
            {"to": ANN, "type": "audio", "audio": {"id": "1"}},
            {"type": "audio", "audio": {"id": "1"}},
        ),
        (
            {"to": ANN, "type": "video", "video": {"link": "https://a.example/a", "caption": None}},
            {"type": "video", "video": {"link": "https://a.example/a"}},
        ),
        (
            {"to": ANN, "type": "sticker", "sticker": {"id": "1"}},
            {"type": "sticker", "sticker": {"id": "1"}},
        ),
        (
            {"to": ANN, "type": "interactive", "interactive": BUTTONS, "context": {"message_id": "w"}},
            {"type": "interactive", "interactive": BUTTONS, "context": {"message_id": "w"}},
        ),
        (
            {"to": ANN, "type": "reaction", "reaction": {"message_id": "w", "emoji": ""}},
            {"type": "reaction", "reaction": {"message_id": "w", "emoji": ""}},
        ),
        (
            TEMPLATE,
            {"type": "template", "template": {"name": "order_update", "language": {"code": "en_GB"}}},
        ),
        (
            {
                "to": ANN,
                "type": "hsm",
                "hsm": {
                    "namespace": "8b1f_example",
                    "element_name": "order_update",
                    "language": {"policy": "deterministic", "code": "en_GB"},
                    "localizable_params": [{"default": "A-1042"}],
                },
            },
            {
                "type": "template",
                "template": {
                    "name": "order_update",
                    "language": {"code": "en_GB"},
                    "components": [{"type": "body", "parameters": [{"type": "text", "text": "A-1042"}]}],
                },
            },
        ),
    ],
    ids=[
        *("text", "preview", "image", "document", "location", "contacts"),
        *("audio", "video", "sticker", "interactive", "reaction", "template", "hsm"),
    ],
)
async def test_a_send_of_the_old_api_reaches_the_cloud_api_in_its_shape(
    running: Running, asked: dict[str, Any], arrives: dict[str, Any]
) -> None:
    await running.writes()
    status, answer = await send(running, asked)
    assert status == 201, answer
    assert sent(running) == cloud(arrives)
    [message_id] = running.simulator.accepted
    assert answer == {
        "messages": [{"id": message_id}],
        "contacts": [{"input": f"+{ANN}", "wa_id": ANN}],
        "meta": META,
    }
    assert running.headers["Ledgerline-Outcome"] == "accepted"
    [requested] = await running.events("SendRequested")
    assert requested["data"]["send_id"] == running.headers["Ledgerline-Send-Id"]
    assert requested["data"]["face"] == "on-premises"


async def test_the_request_of_the_reference_is_answered_as_in_the_reference(
    running: Running, payload: Payload
) -> None:
    asked, expected = payload("onprem_send_request_template"), payload("onprem_send_response_201")
    status, answer = await send(running, asked)
    assert status == expected["_http_status"]
    assert answer.keys() == expected["body"].keys()
    assert answer["meta"] == expected["body"]["meta"]
    assert answer["contacts"][0].keys() == expected["body"]["contacts"][0].keys()
    template = {name: value for name, value in asked["template"].items() if name != "namespace"}
    assert sent(running) == cloud(
        {"type": "template", "template": template | {"language": {"code": "en_GB"}}}
    )


async def test_outside_the_window_a_template_passes_and_the_rest_is_refused_with_470(
    running: Running,
) -> None:
    for asked in (TEXT, {"to": ANN, "type": "image", "image": {"id": "1"}}):
        status, answer = await send(running, asked)
        error = failure(answer)
        assert (status, error["code"]) == (400, 470)
        assert error["details"].startswith("Refused by the gateway: ")
        assert running.headers["Ledgerline-Outcome"] == "refused"
        _, message = await running.get(f"/api/messages/{running.headers['Ledgerline-Send-Id']}")
        assert message["state"] == "refused"
    assert await running.accepted() == []
    assert (await send(running, TEMPLATE))[0] == 201


@pytest.mark.parametrize(
    ("code", "http_status", "status", "legacy"),
    [
        (131047, 400, 400, 470),
        (130429, 400, 429, 1015),
        (131056, 400, 429, 1015),
        (131048, 400, 400, 471),
        (131026, 400, 400, 1013),
        (131031, 403, 400, 1031),
        (131042, 400, 400, 402),
        (131051, 400, 400, 501),
        (100, 400, 400, 1009),
        (131009, 400, 400, 1009),
        (131008, 400, 400, 1008),
        (132000, 400, 400, 2000),
        (132001, 404, 400, 2001),
        (132005, 400, 400, 2005),
        (132012, 400, 400, 2012),
        (132015, 400, 400, 2061),
        (132016, 400, 400, 2062),
        (132018, 400, 400, 2006),
        (133010, 400, 500, 1000),
        (10, 403, 500, 1000),
        (190, 401, 500, 1000),
        (131005, 403, 500, 1000),
    ],
)
async def test_an_error_of_whatsapp_has_the_old_apis_code(
    running: Running, code: int, http_status: int, status: int, legacy: int
) -> None:
    await running.post("/sandbox/faults", {"kind": "error", "code": code, "http_status": http_status})
    answered, answer = await send(running, TEMPLATE)
    assert failure(answer)["code"] == legacy
    assert failure(answer)["details"] == "The sandbox was asked for this error."
    assert answered == status
    assert running.headers["Ledgerline-Outcome"] == "failed"
    [failed] = await running.events("SendFailed")
    assert (failed["data"]["code"], failed["data"]["http_status"]) == (code, http_status)


async def test_a_dead_token_of_ours_is_not_the_callers(start: Start) -> None:
    async with start(access_token="expired") as gateway:
        status, answer = await send(gateway, TEMPLATE)
        assert (status, failure(answer)["code"]) == (500, 1000)


async def test_a_lost_answer_is_1000_and_must_not_be_sent_again(running: Running) -> None:
    await running.post("/sandbox/faults", {"kind": "batch", "times": 9, "seconds": 5})
    await running.post("/sandbox/faults", {"kind": "drop_after_accept"})
    status, answer = await send(running, TEMPLATE)
    error = failure(answer)
    assert (status, error["code"]) == (500, 1000)
    assert "do not send again" in error["details"]
    assert running.headers["Ledgerline-Send-Id"] in error["details"]
    assert running.headers["Ledgerline-Outcome"] == "unknown"
    assert "Retry-After" not in running.headers
    assert len(await running.accepted()) == 1


async def test_what_never_left_may_be_sent_again(start: Start) -> None:
    async with start(upstream_url=f"http://127.0.0.1:{unused_port()}") as gateway:
        status, answer = await send(gateway, TEMPLATE)
        assert (status, failure(answer)["code"]) == (503, 1016)
        assert gateway.headers["Retry-After"] == "5"
        [failed] = await gateway.events("SendFailed")
        assert failed["data"]["safe"] is True


@pytest.mark.parametrize(
    "upstream",
    [
        {"messages": [{"id": "wamid.A"}]},
        {"messages": [{"id": "wamid.A"}], "contacts": None},
        {"messages": [{"id": "wamid.A"}, "strange"], "contacts": ["strange"]},
        {"messages": [{"id": "wamid.A"}], "contacts": [{"input": "half a pair: \ud83d", "wa_id": 7}]},
        {"messages": [{"id": "wamid.A"}], "error": {"code": 10**30}, "new_2027": "half a pair: \ud83d"},
    ],
)
async def test_an_accepted_send_is_answered_so_however_strange_the_rest_is(
    start: Start, upstream: Any
) -> None:
    async with answering(upstream) as url, start(upstream_url=url) as gateway:
        status, body = await send(gateway, TEMPLATE)
        assert (status, body["messages"]) == (201, [{"id": "wamid.A"}])
        assert gateway.headers["Ledgerline-Outcome"] == "accepted"


async def test_a_failure_is_answered_so_however_strange_its_words_are(start: Start) -> None:
    upstream = {"error": {"code": 131026, "message": "half a pair: \ud83d", "error_data": 7}}
    async with answering(upstream, 400) as url, start(upstream_url=url) as gateway:
        status, answer = await send(gateway, TEMPLATE)
        assert (status, failure(answer)["code"]) == (400, 1013)
        assert failure(answer)["details"] == "half a pair: ?"
        assert gateway.headers["Ledgerline-Outcome"] == "failed"


@pytest.mark.parametrize(
    ("asked", "code", "named"),
    [
        (b"", 1025, "JSON"),
        (b"{", 1025, "JSON"),
        (b"[]", 1025, "object"),
        ({"text": {"body": "x"}}, 1008, "to "),
        ({"to": ANN}, 1008, "text"),
        ({"to": ANN, "type": "hsm"}, 1008, "hsm"),
        ({"to": ANN, "type": "image"}, 1008, "image"),
        ({"to": 447700900123, "text": {"body": "x"}}, 1009, "to "),
        ({"to": "GB.123", "text": {"body": "x"}}, 1009, "recipient"),
        ({"to": ANN, "text": "x"}, 1009, "text"),
        ({"to": ANN, "type": 1}, 1009, "type"),
        ({"to": ANN, "recipient_type": "all", "text": {"body": "x"}}, 1009, "recipient_type"),
    ],
)
async def test_what_is_malformed_names_its_field_and_leaves_no_event(
    running: Running, metric: Metric, asked: Any, code: int, named: str
) -> None:
    status, answer = await send(running, asked)
    error = failure(answer)
    assert (status, error["code"]) == (400, code)
    assert named in error["details"]
    assert await running.events() == []
    assert await metric(running, "ledgerline_sends_total", outcome="malformed", face="on-premises") == 1


async def test_the_line_is_the_keys_or_the_only_one(start: Start) -> None:
    keys = (
        "all:sandbox-key:send+read+content+admin",
        f"one:one:send@{LINE}",
        f"other:other:send@{OTHER}",
        f"both:both:send@{LINE}+{OTHER}",
        "strange:strange:send@999",
    )
    async with start(lines=(LINE, OTHER), api_keys=keys) as gateway:
        for key in ("sandbox-key", "both", "strange"):
            status, answer = await send(gateway, TEMPLATE, headers={"Authorization": f"Bearer {key}"})
            assert (status, failure(answer)["code"]) == (400, 1009), key
        assert await gateway.events() == []
        status, _ = await send(gateway, TEMPLATE, headers={"Authorization": "Bearer one"})
        assert status == 201
        # The simulator has one line; of another one it says that it does not exist.
        status, answer = await send(gateway, TEMPLATE, headers={"Authorization": "Bearer other"})
        assert (status, failure(answer)["code"]) == (500, 1000)
        lines = [one["data"]["line"] for one in await gateway.events("SendRequested")]
        assert lines == [LINE, OTHER]


async def test_a_key_is_needed_and_its_scope(start: Start) -> None:
    keys = ("all:sandbox-key:send+read+content+admin", "reader:r:read")
    async with start(api_keys=keys) as gateway:
        status, answer = await send(gateway, TEMPLATE, headers={"Authorization": "Bearer wrong"})
        assert (status, failure(answer)["code"]) == (401, 1005)
        status, answer = await send(gateway, TEMPLATE, headers={"Authorization": "Bearer r"})
        assert (status, failure(answer)["code"]) == (403, 1005)
        assert await gateway.events() == []


@pytest.mark.parametrize(
    ("keys", "lines", "named"),
    [
        ("all:sandbox-key:send", (LINE, OTHER), "no line, and 2 are configured"),
        (f"both:sandbox-key:send@{LINE}+{OTHER}", (LINE, OTHER), "more than one line"),
        ("strange:sandbox-key:send@999", (LINE,), "999, not configured"),
    ],
)
async def test_a_key_without_one_line_is_told_why(
    start: Start, keys: str, lines: tuple[str, ...], named: str
) -> None:
    async with start(lines=lines, api_keys=(keys,)) as gateway:
        status, answer = await send(gateway, TEMPLATE)
        assert (status, failure(answer)["code"]) == (400, 1009)
        assert named in failure(answer)["details"]


async def test_other_paths_of_the_old_api_are_named_and_not_served(running: Running) -> None:
    for path in ("/v1/groups", "/v1/settings/backup", "/v1/stats/app"):
        status, answer = await running.post(path, {})
        assert (status, failure(answer)["code"]) == (404, 1006)
        assert path in failure(answer)["details"]
