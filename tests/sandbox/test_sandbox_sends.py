from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from gateway.sandbox import LINE

BSUID = "GB.7700900123456789012"
DAY = 24 * 3600


def words(statuses: list[dict[str, Any]]) -> list[str]:
    return [status["status"] for status in statuses]


async def test_a_reply_inside_the_window_is_sent_and_delivered(sandbox: Any) -> None:
    await sandbox.writes()
    status, answer = await sandbox.text("on its way", biz_opaque_callback_data="ours")

    assert status == 200
    assert answer["messaging_product"] == "whatsapp"
    assert answer["contacts"] == [{"input": "+447700900123", "wa_id": "447700900123"}]
    message_id = answer["messages"][0]["id"]
    assert message_id.startswith("wamid.")
    statuses = await sandbox.settled()
    assert [(s["id"], s["status"], s["biz_opaque_callback_data"]) for s in statuses] == [
        (message_id, "sent", "ours"),
        (message_id, "delivered", "ours"),
    ]
    assert {s["recipient_id"] for s in statuses} == {"447700900123"}
    assert {s["timestamp"] for s in statuses} == {"1795424400"}


async def test_a_free_form_send_without_a_window_is_accepted_and_fails_by_callback(sandbox: Any) -> None:
    status, _ = await sandbox.text(biz_opaque_callback_data="ours")

    assert status == 200
    [failed] = await sandbox.settled()
    assert (failed["status"], failed["biz_opaque_callback_data"]) == ("failed", "ours")
    assert failed["errors"][0]["code"] == 131047
    assert "pricing" not in failed
    assert "contacts" not in sandbox.receiver.values[0]


async def test_the_window_closes_exactly_24_hours_after_the_last_message(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.advance(DAY - 1)
    await sandbox.text()
    await sandbox.advance(1)
    await sandbox.text()

    assert words(await sandbox.settled()) == ["sent", "delivered", "failed"]


@pytest.mark.parametrize(
    ("item", "word"),
    [
        ({"type": "image", "image": {"id": "1"}}, "delivered"),
        ({"type": "button", "button": {"payload": "p", "text": "t"}}, "delivered"),
        ({"type": "unsupported", "errors": []}, "delivered"),
        ({"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {}}}, "delivered"),
        ({"type": "reaction", "reaction": {"message_id": "wamid.x"}}, "failed"),
        ({"type": "revoke", "revoke": {"original_message_id": "wamid.x"}}, "failed"),
        (
            {
                "type": "interactive",
                "interactive": {"call_permission_reply": {"response_source": "automatic"}},
            },
            "failed",
        ),
    ],
)
async def test_what_the_customer_does_decides_whether_the_window_opens(
    sandbox: Any, item: dict[str, Any], word: str
) -> None:
    await sandbox.writes(**item)
    await sandbox.text()

    assert words(await sandbox.settled())[-1] == word


@pytest.mark.parametrize(
    ("call", "word"),
    [
        ({"event": "connect"}, "delivered"),
        ({"event": "terminate", "status": "COMPLETED"}, "failed"),
        ({"event": "connect", "direction": "BUSINESS_INITIATED"}, "failed"),
        ({"status": "RINGING"}, "failed"),
        ({"status": "ACCEPTED"}, "delivered"),
    ],
)
async def test_a_call_of_the_customer_or_one_they_accept_opens_the_window(
    sandbox: Any, call: dict[str, Any], word: str
) -> None:
    status, answer = await sandbox.post("/sandbox/customers/447700900123/calls", call)
    assert status == 200
    assert answer["id"].startswith("wacid.")
    await sandbox.text()

    assert words(await sandbox.settled())[-1] == word


@pytest.mark.parametrize(
    "body",
    [
        {"type": "template", "template": {"name": "hello_world", "language": {"code": "en_US"}}},
        {"type": "text", "text": {"body": "code 1"}, "category": "authentication"},
        {"type": "interactive", "interactive": {"type": "button"}, "category": "utility"},
    ],
)
async def test_templates_and_direct_sends_need_no_window(sandbox: Any, body: dict[str, Any]) -> None:
    status, answer = await sandbox.send(body)

    assert status == 200
    assert ("message_status" in answer["messages"][0]) == (body["type"] == "template")
    statuses = await sandbox.settled()
    assert words(statuses) == ["sent", "delivered"]
    assert all(("template_id" in s) == ("category" in body) for s in statuses)


async def test_a_bsuid_recipient_is_answered_with_user_id(sandbox: Any) -> None:
    await sandbox.writes(BSUID)
    _, answer = await sandbox.text(to=None, recipient=BSUID)

    assert answer["contacts"] == [{"input": BSUID, "user_id": BSUID}]
    statuses = await sandbox.settled()
    assert words(statuses) == ["sent", "delivered"]
    assert all("recipient_id" not in s and s["recipient_user_id"] == BSUID for s in statuses)


async def test_a_bsuid_in_to_is_accepted_and_never_heard_of_again(sandbox: Any) -> None:
    status, _ = await sandbox.text(to=BSUID)

    assert status == 200
    assert await sandbox.settled() == []


async def test_to_wins_over_recipient(sandbox: Any) -> None:
    await sandbox.writes()
    _, answer = await sandbox.text(recipient=BSUID)

    assert answer["contacts"][0]["wa_id"] == "447700900123"


async def test_brazils_ninth_digit_makes_no_other_person(sandbox: Any) -> None:
    await sandbox.writes("551187654321")
    _, answer = await sandbox.text(to="+55 11 98765-4321")

    assert answer["contacts"] == [{"input": "+55 11 98765-4321", "wa_id": "551187654321"}]
    assert words(await sandbox.settled()) == ["sent", "delivered"]


async def test_a_reaction_is_only_sent_and_has_no_price(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.send({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}})

    [sent] = await sandbox.settled()
    assert sent["status"] == "sent"
    assert "pricing" not in sent


async def test_the_same_post_again_is_a_second_message(sandbox: Any) -> None:
    await sandbox.writes()
    answers = [await sandbox.text("once", biz_opaque_callback_data="same") for _ in range(2)]
    await sandbox.text("other", biz_opaque_callback_data="other")

    assert answers[0][1]["messages"] != answers[1][1]["messages"]
    _, listing = await sandbox.get("/sandbox/messages")
    assert [(row["body"]["text"]["body"], row["count"]) for row in listing["messages"]] == [
        ("once", 2),
        ("other", 1),
    ]
    first = listing["messages"][0]
    assert (first["to"], first["type"], first["accepted_at"]) == (
        "+447700900123",
        "text",
        "2026-11-23T09:00:00Z",
    )
    assert first["message_id"] == answers[0][1]["messages"][0]["id"]


@pytest.mark.parametrize(
    ("body", "http_status", "code"),
    [
        ({"to": None}, 400, 131008),
        ({"to": "soon"}, 400, 131009),
        ({"to": None, "recipient": "ann"}, 400, 131009),
        ({"messaging_product": None}, 400, 100),
        ({"text": None}, 400, 131008),
        ({"text": {"body": ""}}, 400, 131008),
        ({"text": {"body": "x" * 4097}}, 400, 100),
        ({"type": "telepathy"}, 400, 100),
        ({"type": []}, 400, 100),
        ({"category": "marketing"}, 400, 100),
        ({"category": []}, 400, 100),
        ({"type": "image", "image": {"id": "1"}, "category": "utility"}, 400, 100),
        ({"category": "authentication", "to": None, "recipient": BSUID}, 400, 131062),
        ({"biz_opaque_callback_data": "x" * 513}, 400, 100),
        ({"type": "template", "template": {"name": "order_update"}}, 400, 131008),
        ({"type": "template", "template": {"name": "nope", "language": {"code": "en_US"}}}, 404, 132001),
        ({"type": "template", "template": {"name": "hello_world", "language": {"code": "fr"}}}, 404, 132001),
    ],
)
async def test_what_whatsapp_cannot_read_it_refuses_at_once(
    sandbox: Any, body: dict[str, Any], http_status: int, code: int
) -> None:
    status, answer = await sandbox.send({"type": "text", "text": {"body": "hi"}, **body})

    assert (status, answer["error"]["code"]) == (http_status, code)
    assert {"message", "type", "error_data", "fbtrace_id"} <= answer["error"].keys()
    assert (await sandbox.get("/sandbox/messages"))[1] == {"messages": []}


async def test_marketing_messages_takes_marketing_templates_only(sandbox: Any) -> None:
    assert (await sandbox.template("winter_sale", edge="marketing_messages"))[0] == 200
    status, answer = await sandbox.template("hello_world", edge="marketing_messages")
    assert (status, answer["error"]["code"]) == (400, 131055)
    status, answer = await sandbox.text(edge="marketing_messages")
    assert (status, answer["error"]["code"]) == (400, 100)


async def test_a_line_it_does_not_have_is_refused(sandbox: Any) -> None:
    status, answer = await sandbox.send({"type": "text", "text": {"body": "x"}}, line="1")

    assert (status, answer["error"]["code"]) == (400, 33)


async def test_a_wrong_token_is_refused_and_the_query_parameter_counts(sandbox: Any) -> None:
    url = f"{sandbox.simulator.graph_url}/v26.0/{LINE}"
    async with aiohttp.ClientSession() as http:
        for headers, query, expected in [
            ({}, {}, 401),
            ({"Authorization": "Bearer wrong"}, {}, 401),
            ({}, {"access_token": "sandbox-access-token"}, 200),
        ]:
            async with http.get(url, headers=headers, params=query) as answer:
                assert answer.status == expected
                if expected == 401:
                    assert (await answer.json())["error"]["code"] == 190


async def test_a_body_that_is_no_json_object_is_refused(sandbox: Any) -> None:
    url = f"{sandbox.simulator.graph_url}/v26.0/{LINE}/messages"
    for body in (b"{", b"[]", b""):
        async with sandbox.http.post(url, data=body) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, 100)


async def test_mark_as_read_is_no_message(sandbox: Any) -> None:
    message_id = await sandbox.writes()
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
    status, answer = await sandbox.post(f"/v26.0/{LINE}/messages", read)

    assert (status, answer) == (200, {"success": True})
    assert (await sandbox.get("/sandbox/messages"))[1] == {"messages": []}
    status, answer = await sandbox.post(f"/v26.0/{LINE}/messages", {"status": "read"})
    assert (status, answer["error"]["code"]) == (400, 131008)


async def test_message_ids_hold_the_characters_that_trouble_paths(sandbox: Any) -> None:
    await sandbox.writes()
    ids = {(await sandbox.text())[1]["messages"][0]["id"] for _ in range(60)}

    assert len(ids) == 60
    assert set("/+=") <= set("".join(ids))
