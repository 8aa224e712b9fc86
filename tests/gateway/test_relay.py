"""Sends over both faces: decided, posted once, and answered in the caller's own dialect."""

from __future__ import annotations

from typing import Any

import pytest
from running import ANN, LINE, Running

TEMPLATE = {"name": "order_update", "language": {"code": "en_GB"}}
CONTENTS: dict[str, Any] = {
    "text": {"body": "On its way."},
    "image": {"link": "https://shop.example/a.jpg"},
    "audio": {"id": "1"},
    "video": {"id": "1"},
    "document": {"id": "1", "filename": "a.pdf"},
    "sticker": {"id": "1"},
    "location": {"latitude": 51.5, "longitude": -0.1},
    "contacts": [{"name": {"formatted_name": "Shop", "first_name": "Shop"}}],
    "interactive": {"type": "button", "body": {"text": "Well?"}, "action": {"buttons": []}},
    "reaction": {"message_id": "wamid.A", "emoji": "x"},
}


def body(type_: str, **more: Any) -> dict[str, Any]:
    content = TEMPLATE if type_ == "template" else CONTENTS[type_]
    return {"messaging_product": "whatsapp", "to": f"+{ANN}", "type": type_, type_: content} | more


@pytest.mark.parametrize("type_", [*CONTENTS])
async def test_free_form_passes_inside_the_window_and_is_refused_outside(
    running: Running, type_: str
) -> None:
    status, answer = await running.send(body(type_))
    assert (status, answer["error"]["code"]) == (400, 131047)
    assert running.headers["Ledgerline-Outcome"] == "refused"
    assert running.headers["Ledgerline-Send-Id"] == answer["error"]["fbtrace_id"]
    assert await running.accepted() == []

    await running.writes()
    status, answer = await running.send(body(type_))

    assert (status, running.headers["Ledgerline-Outcome"]) == (200, "accepted")
    [accepted] = await running.accepted()
    assert accepted["message_id"] == answer["messages"][0]["id"]
    sent = accepted["body"]
    assert sent.pop("biz_opaque_callback_data").startswith("ll1.")
    assert sent == body(type_)


async def test_templates_and_direct_send_pass_outside_the_window(running: Running) -> None:
    assert (await running.send(body("template")))[0] == 200
    assert (await running.send(body("text", category="utility")))[0] == 200


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (b"{", 100),
        (b"[]", 100),
        ({"type": "text", "text": {"body": "x"}}, 131008),
        ({"to": ANN, "type": "text"}, 131008),
        ({"to": ANN, "type": "text", "text": "x"}, 131009),
        ({"to": "GB.123", "type": "text", "text": {"body": "x"}}, 131009),
        ({"to": ANN, "type": "text", "text": {"body": "x"}, "category": 1}, 131009),
    ],
)
async def test_what_is_malformed_is_refused_and_leaves_nothing(
    running: Running, asked: Any, code: int
) -> None:
    status, answer = await running.post(f"/v26.0/{LINE}/messages", asked)

    assert (status, answer["error"]["code"]) == (400, code)
    assert await running.events() == []


async def test_keys_and_lines_are_checked_in_the_callers_dialect(running: Running) -> None:
    status, answer = await running.send(body("template"), headers={"Authorization": "Bearer no"})
    assert (status, answer["error"]["code"]) == (401, 190)
    status, answer = await running.send(body("template"), line="1")
    assert (status, answer["error"]["code"]) == (400, 33)
    status, answer = await running.post(
        "/v1/messages", body("template"), headers={"Authorization": "Bearer no"}
    )
    assert (status, answer["errors"][0]["code"]) == (401, 1005)


async def test_read_receipts_and_typing_pass_without_an_event(running: Running) -> None:
    receipt = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"}
    for asked in (receipt, receipt | {"typing_indicator": {"type": "text"}}):
        assert await running.send(asked) == (200, {"success": True})
    assert await running.events() == []


@pytest.mark.parametrize(
    ("code", "http_status", "topic", "status"),
    [
        (131026, 400, "SendFailed", 400),
        (131056, 400, "SendFailed", 400),
        (190, 401, "SendFailed", 401),
        (131000, 500, "SendUnknown", 500),
        (131016, 500, "SendUnknown", 500),
    ],
)
async def test_an_error_is_judged_by_its_code(
    running: Running, code: int, http_status: int, topic: str, status: int
) -> None:
    await running.post("/sandbox/faults", {"kind": "error", "code": code, "http_status": http_status})
    answered, answer = await running.send(body("template"))

    assert answered == status
    assert answer["error"]["code"] == (code if topic == "SendFailed" else 131000)
    outcomes = await running.events("SendAccepted", "SendFailed", "SendUnknown")
    assert [(one["topic"], one["data"]["code"]) for one in outcomes] == [(topic, code)]
    assert len(await running.events("SendDispatched")) == 1


async def test_a_lost_answer_is_unknown_and_never_repeated_until_a_status_tells(running: Running) -> None:
    await running.post("/sandbox/faults", {"kind": "drop_after_accept"})
    status, answer = await running.send(body("template"))

    assert (status, answer["error"]["code"]) == (500, 131000)
    assert "do not send again" in answer["error"]["error_data"]["details"]
    assert len(await running.accepted()) == 1
    [unknown] = await running.events("SendUnknown")
    send_id = unknown["data"]["send_id"]
    await running.settled()
    _, message = await running.get(f"/api/messages/{send_id}")
    assert message["state"] == "delivered"


async def test_an_on_premises_caller_is_served_and_refused_with_470(running: Running) -> None:
    text = {"to": ANN, "type": "text", "text": {"body": "On its way."}}
    status, answer = await running.post("/v1/messages", text)
    assert (status, answer["errors"][0]["code"]) == (400, 470)

    legacy = {
        "name": "order_update",
        "namespace": "n",
        "language": {"policy": "deterministic", "code": "en_GB"},
    }
    status, answer = await running.post("/v1/messages", {"to": ANN, "type": "template", "template": legacy})
    assert status == 201
    assert set(answer) == {"messages", "contacts", "meta"}

    await running.writes()
    status, answer = await running.post("/v1/messages", text)
    assert (status, answer["contacts"]) == (201, [{"input": f"+{ANN}", "wa_id": ANN}])


async def test_an_observing_line_forwards_what_it_would_have_refused(start: Any) -> None:
    async with start(policy="observe") as running:
        assert (await running.send(body("text")))[0] == 200
        [requested] = await running.events("SendRequested")

    assert requested["data"]["decision"]["observed"] is True
    assert requested["data"]["decision"]["reason"] == "never_opened"
