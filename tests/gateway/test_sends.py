"""Sends over the Cloud face: what passes, what is refused, and what is left of each."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from running import ANN, LINE, Running, Start

from gateway.store.postgres import Pool

Metric = Callable[..., Awaitable[float]]
Payload = Callable[[str], Any]

BSUID = "GB.7700900123456789012"
DAY = 24 * 3600
KEYS = ("all:sandbox-key:send+read+content+admin", "shop:s:send", "reader:r:read", "other:o:send@999")

SAID = {"body": {"text": "Which one?"}}
INTERACTIVE: dict[str, dict[str, Any]] = {
    "button": {"action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "Yes"}}]}},
    "list": {"action": {"button": "Open", "sections": [{"rows": [{"id": "1", "title": "One"}]}]}},
    "cta_url": {
        "action": {"name": "cta_url", "parameters": {"display_text": "See", "url": "https://a.example/"}}
    },
    "location_request_message": {"action": {"name": "send_location"}},
    "flow": {"action": {"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "1"}}},
    "product": {"action": {"catalog_id": "1", "product_retailer_id": "2"}},
    "product_list": {
        "header": {"type": "text", "text": "New"},
        "action": {"catalog_id": "1", "sections": []},
    },
    "catalog_message": {"action": {"name": "catalog_message"}},
    "carousel": {"action": {"cards": [{"card_index": 0, "type": "product"}, {"card_index": 1}]}},
    "address_message": {"action": {"name": "address_message", "parameters": {"country": "IN"}}},
    "voice_call": {"action": {"name": "voice_call", "parameters": {"display_text": "Call"}}},
    "call_permission_request": {"action": {"name": "call_permission_request"}},
    "request_contact_info": {"action": {"name": "request_contact_info"}},
    "order_details": {"action": {"name": "review_and_pay", "parameters": {"reference_id": "A-1042"}}},
    "order_status": {"action": {"name": "review_order", "parameters": {"reference_id": "A-1042"}}},
}
FREE_FORM: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": {"body": "Hello 👋\n\tÜ", "preview_url": True}},
    "reply": {"type": "text", "text": {"body": "Yes."}, "context": {"message_id": "wamid.A"}},
    "text by default": {"text": {"body": "Without a type."}},
    "image": {"type": "image", "image": {"link": "https://a.example/a.jpg", "caption": "It"}},
    "audio": {"type": "audio", "audio": {"id": "1", "voice": True}},
    "video": {"type": "video", "video": {"id": "1", "caption": "It moves"}},
    "document": {"type": "document", "document": {"id": "1", "filename": "invoice.pdf"}},
    "sticker": {"type": "sticker", "sticker": {"id": "1"}},
    "location": {"type": "location", "location": {"latitude": "51.5007", "longitude": -0.1246}},
    "contacts": {"type": "contacts", "contacts": [{"name": {"formatted_name": "A", "first_name": "A"}}]},
    "reaction": {"type": "reaction", "reaction": {"message_id": "wamid.A", "emoji": ""}},
    "service": {"type": "text", "text": {"body": "Hello"}, "category": "service"},
    "field of tomorrow": {"type": "text", "text": {"body": "x"}, "new_2027": {"deep": [1, None, True, 1.5]}},
    **{
        f"interactive {kind}": {"type": "interactive", "interactive": {"type": kind} | SAID | rest}
        for kind, rest in INTERACTIVE.items()
    },
}
ORDER = {"name": "order_update", "language": {"code": "en_GB"}}
TEMPLATES: dict[str, dict[str, Any]] = {
    "utility": {"type": "template", "template": ORDER},
    "marketing": {"type": "template", "template": ORDER | {"name": "winter_sale"}},
    "authentication": {"type": "template", "template": ORDER | {"name": "login_code"}},
    "components": {
        "type": "template",
        "template": ORDER
        | {
            "components": [
                {"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]},
                {
                    "type": "body",
                    "parameters": [
                        {"type": "text", "text": "A-1042", "parameter_name": "order_no"},
                        {"type": "currency", "currency": {"code": "GBP", "amount_1000": 1000}},
                        {"type": "date_time", "date_time": {"fallback_value": "today"}},
                    ],
                },
                {"type": "button", "sub_type": "url", "index": "0", "parameters": []},
                {"type": "carousel", "cards": [{"card_index": 0, "components": []}]},
            ]
        },
    },
}
DIRECT: dict[str, dict[str, Any]] = {
    "text utility": {"type": "text", "text": {"body": "x"}, "category": "utility"},
    "text authentication": {"type": "text", "text": {"body": "x"}, "category": "authentication"},
    "interactive utility": FREE_FORM["interactive button"] | {"category": "utility"},
}


def to_ann(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The body of a send."""
    return {"messaging_product": "whatsapp", "recipient_type": "individual", "to": f"+{ANN}"} | message | more


def failed(running: Running, answer: Any) -> dict[str, Any]:
    """A status of that accepted send: failed with 131047, as WhatsApp tells it later."""
    message_id = answer["messages"][0]["id"]
    opaque = running.simulator.accepted[message_id].send.callback_data
    error = {"code": 131047, "title": "Re-engagement message"}
    status = {
        "id": message_id,
        "status": "failed",
        "timestamp": str(int(running.gateway.clock().timestamp())),
        "recipient_id": ANN,
        "errors": [error],
        "biz_opaque_callback_data": opaque,
    }
    metadata = {"display_phone_number": "15550783881", "phone_number_id": LINE}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


async def refused(running: Running, **more: Any) -> str:
    """A text is refused; why."""
    status, answer = await running.text(**more)
    assert (status, answer["error"]["code"]) == (400, 131047), answer
    return str(answer["error"]["error_data"]["details"])


async def test_every_free_form_message_reaches_whatsapp_unchanged_inside_the_window(running: Running) -> None:
    await running.writes()
    for name, message in FREE_FORM.items():
        asked = to_ann(message)
        status, answer = await running.send(asked)
        assert status == 200, (name, answer)
        assert running.headers["Ledgerline-Outcome"] == "accepted"
        send_id = UUID(running.headers["Ledgerline-Send-Id"])
        reached = running.simulator.accepted[answer["messages"][0]["id"]].body
        opaque = reached.pop("biz_opaque_callback_data")
        assert reached == asked, name
        assert opaque.split(".")[:3] == ["ll1", send_id.hex, "1"]
    requests = await running.events("SendRequested")
    assert [one["data"]["kind"] for one in requests] == ["free_form"] * len(FREE_FORM)
    assert [one["data"]["opened"]["body"] for one in requests] == [
        to_ann(message) for message in FREE_FORM.values()
    ]


async def test_numbers_and_text_that_not_every_reader_takes_reach_whatsapp_unchanged(
    running: Running,
) -> None:
    await running.writes()
    asked = to_ann({"type": "text", "text": {"body": "half a pair: \ud83d"}, "n": 2**70})
    status, answer = await running.post(f"/v26.0/{LINE}/messages", json.dumps(asked).encode())
    assert status == 200
    reached = running.simulator.accepted[answer["messages"][0]["id"]].body
    del reached["biz_opaque_callback_data"]
    assert reached == asked


async def test_no_free_form_message_passes_outside_the_window(running: Running) -> None:
    for name, message in FREE_FORM.items():
        status, answer = await running.send(to_ann(message))
        send_id = running.headers["Ledgerline-Send-Id"]
        assert running.headers["Ledgerline-Outcome"] == "refused", name
        details = (
            "Refused by the gateway: this contact has not written to this line, or what it wrote no longer "
            "counts; a template or Direct Send is allowed."
        )
        assert (status, answer) == (
            400,
            {
                "error": {
                    "message": "(#131047) Re-engagement message",
                    "type": "OAuthException",
                    "code": 131047,
                    "error_data": {"messaging_product": "whatsapp", "details": details},
                    "fbtrace_id": send_id,
                }
            },
        ), name
    assert await running.accepted() == []
    events = await running.events()
    assert Counter(one["topic"] for one in events) == {"SendRefused": len(FREE_FORM)}
    assert {one["data"]["decision"]["reason"] for one in events} == {"never_opened"}


@pytest.mark.parametrize(("kind", "messages"), [("template", TEMPLATES), ("direct_send", DIRECT)])
async def test_templates_and_direct_send_pass_unchanged_outside_the_window(
    running: Running, kind: str, messages: dict[str, dict[str, Any]]
) -> None:
    for name, message in messages.items():
        asked = to_ann(message)
        status, answer = await running.send(asked)
        assert (status, running.headers["Ledgerline-Outcome"]) == (200, "accepted"), (name, answer)
        reached = running.simulator.accepted[answer["messages"][0]["id"]].body
        assert reached.pop("biz_opaque_callback_data").startswith("ll1.")
        assert reached == asked, name
    requests = await running.events("SendRequested")
    assert {one["data"]["kind"] for one in requests} == {kind}
    assert {one["data"]["decision"]["reason"] for one in requests} == {"needs_no_window"}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "text", "text": {"body": "x"}, "category": "service"},
        {"type": "text", "text": {"body": "x"}, "category": "marketing"},
        {"type": "text", "text": {"body": "x"}, "category": "Utility"},
        {"type": "image", "image": {"id": "1"}, "category": "utility"},
        {"type": "location", "location": {"latitude": 1, "longitude": 2}, "category": "utility"},
        {"type": "poll", "poll": {}},
        {"type": "poll", "poll": {}, "category": "utility"},
    ],
)
async def test_a_category_that_does_not_go_with_the_type_needs_the_window(
    running: Running, message: dict[str, Any]
) -> None:
    status, answer = await running.send(to_ann(message))
    assert (status, answer["error"]["code"]) == (400, 131047)
    await running.writes()
    await running.send(to_ann(message))
    # Inside the window the rest is WhatsApp's to judge.
    assert len(await running.events("SendDispatched")) == 1


async def test_the_requests_of_the_reference_are_accepted(running: Running, payload: Payload) -> None:
    await running.writes(type="text", text={"body": "hi"})
    await running.writes(BSUID)
    names = ("cloud_send_request_text", "cloud_send_request_template_named", "cloud_send_request_bsuid")
    for name in names:
        asked = payload(name)
        status, answer = await running.send(asked)
        assert status == 200, (name, answer)
        reached = running.simulator.accepted[answer["messages"][0]["id"]].body
        ours = {"biz_opaque_callback_data": reached["biz_opaque_callback_data"]}
        assert reached == asked | ours, name
    [first, *_] = await running.events("SendRequested")
    assert first["data"]["opened"]["callback_data"] == "gw:job:7f33"


@pytest.mark.parametrize("to", [ANN, f"+{ANN}", "+44 7700 900123", "+44 (7700) 900-123"])
async def test_however_a_number_is_written_it_is_the_same_person_and_leaves_with_a_plus(
    running: Running, to: str
) -> None:
    await running.writes()
    body = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "x"}}
    assert (await running.send(body))[0] == 200
    assert [one["to"] for one in await running.accepted()] == [f"+{ANN}"]


async def test_a_number_and_a_user_id_together_are_judged_by_the_number(running: Running) -> None:
    await running.writes(BSUID)
    await refused(running, recipient=BSUID)


async def test_a_person_known_by_user_id_only_has_a_window(running: Running) -> None:
    body = {"messaging_product": "whatsapp", "recipient": BSUID, "type": "text", "text": {"body": "x"}}
    assert (await running.send(body))[0] == 400
    await running.writes(BSUID)
    status, answer = await running.send(body)
    assert (status, answer["contacts"]) == (200, [{"input": BSUID, "user_id": BSUID}])
    assert "to" not in running.simulator.accepted[answer["messages"][0]["id"]].body
    [event] = await running.events("SendAccepted")
    assert event["data"]["message_key"]


async def test_a_group_has_a_window_of_its_own(running: Running) -> None:
    group = "Y2FwaV9ncm91cDox"
    to_group = to_ann(FREE_FORM["text"], recipient_type="group", to=group)
    await running.writes()
    status, answer = await running.send(to_group)
    assert (status, answer["error"]["code"]) == (400, 131047)
    await running.advance(2 * DAY)
    await running.writes(ANN, type="text", text={"body": "hi all"}, group_id=group)
    status, answer = await running.send(to_group)
    assert (status, answer["messages"][0]["group_id"]) == (200, group)
    # Who wrote in a group has not written to us alone.
    await refused(running)


async def test_a_window_of_one_line_is_none_of_another(start: Start) -> None:
    async with start(lines=(LINE, "999")) as gateway:
        await gateway.writes()
        status, answer = await gateway.send(to_ann(FREE_FORM["text"]), line="999")
        assert (status, answer["error"]["code"]) == (400, 131047)


async def test_the_window_closes_a_day_after_and_a_margin_before(running: Running) -> None:
    await running.writes()
    [event] = await running.events("MessageReceived")
    until = datetime.fromtimestamp(datetime.fromisoformat(event["at"]).timestamp() + DAY, UTC)
    closes = f"{until:%Y-%m-%dT%H:%M:%SZ}"
    await running.advance(DAY - 120)
    assert (await running.text())[0] == 200
    await running.advance(90)
    assert await refused(running) == (
        f"Refused by the gateway: the window closes at {closes}, too soon to be sure; "
        "a template or Direct Send is allowed."
    )
    await running.advance(3600 + 30)
    assert await refused(running) == (
        f"Refused by the gateway: the window closed at {closes}; a template or Direct Send is allowed."
    )
    assert len(await running.accepted()) == 1
    reasons = [one["data"]["decision"]["reason"] for one in await running.events("SendRefused")]
    assert reasons == ["window_closing", "window_closed"]
    await running.writes()
    assert (await running.text())[0] == 200


async def test_a_message_of_yesterday_that_comes_now_opens_nothing(running: Running) -> None:
    at = int(running.gateway.clock().timestamp()) - 25 * 3600
    message = {"from": ANN, "id": "wamid.A", "timestamp": str(at), "type": "text", "text": {"body": "hi"}}
    metadata = {"display_phone_number": "15550783881", "phone_number_id": LINE}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": [message]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    assert await running.callback({"object": "whatsapp_business_account", "entry": [entry]}) == 200
    assert "the window closed at" in await refused(running)


async def test_a_late_131047_closes_the_window_until_the_person_writes_again(running: Running) -> None:
    await running.writes()
    await running.advance(int(23.6 * 3600))
    status, answer = await running.text()
    assert status == 200
    assert await running.callback(failed(running, answer)) == 200
    await refused(running)
    await running.advance(5)
    await running.writes()
    assert (await running.text())[0] == 200
    # The same callback once more takes nothing back.
    assert await running.callback(failed(running, answer)) == 200
    assert (await running.text())[0] == 200


async def test_a_131047_that_contradicts_a_fresh_message_is_disputed(
    running: Running, metric: Metric
) -> None:
    await running.writes()
    await running.advance(600)
    _, answer = await running.text()
    assert await running.callback(failed(running, answer)) == 200
    assert (await running.text())[0] == 200
    assert await metric(running, "ledgerline_windows_disputed_total") == 1
    _, window = await running.get(f"/api/lines/{LINE}/conversations/{ANN}/window")
    assert window["open"] is True
    assert window["disputed_by"]


async def test_a_131047_at_once_closes_the_window_as_well(running: Running) -> None:
    await running.writes()
    await running.advance(int(23.6 * 3600))
    await running.post("/sandbox/faults", {"kind": "sync_131047"})
    status, answer = await running.text()
    assert (status, answer["error"]["code"], running.headers["Ledgerline-Outcome"]) == (400, 131047, "failed")
    await refused(running)
    assert running.headers["Ledgerline-Outcome"] == "refused"


async def test_a_decision_is_exact_while_the_projection_stands_still(running: Running, pool: Pool) -> None:
    async with pool.acquire() as db, db.transaction():
        await db.execute("lock table ledgerline.window_v2 in exclusive mode")
        await refused(running)
        await running.writes()
        assert (await running.text())[0] == 200
        await running.advance(int(23.6 * 3600))
        _, answer = await running.text()
        assert await running.callback(failed(running, answer)) == 200
        await refused(running)
    await running.settled()
    await refused(running)


async def test_observing_forwards_and_records_what_would_have_been_refused(
    start: Start, metric: Metric
) -> None:
    async with start(policy="observe") as gateway:
        assert (await gateway.text())[0] == 200
        await gateway.writes()
        assert (await gateway.text())[0] == 200
        never, opened = [one["data"]["decision"] for one in await gateway.events("SendRequested")]
        assert (never["allowed"], never["mode"], never["reason"]) == (True, "observe", "never_opened")
        assert never["observed"] is True
        assert (opened["reason"], opened.get("observed")) == ("window_open", None)
        assert await metric(gateway, "ledgerline_sends_observed_total") == 1
        assert await gateway.events("SendRefused") == []


async def test_a_key_may_come_as_a_bearer_or_as_access_token(running: Running) -> None:
    url = f"{running.url}/v21.0/{LINE}/messages"
    async with aiohttp.ClientSession() as http:
        for headers, query in (
            ({"Authorization": "Bearer sandbox-key"}, {}),
            ({"Authorization": "bearer sandbox-key"}, {}),
            ({}, {"access_token": "sandbox-key"}),
        ):
            body = to_ann(TEMPLATES["utility"])
            async with http.post(url, json=body, headers=headers, params=query) as answer:
                assert answer.status == 200
        async with http.post(url, json=to_ann(TEMPLATES["utility"])) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (401, 190)
        async with http.post(url, json={}, params={"access_token": "wrong"}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (401, 190)


@pytest.mark.parametrize(
    ("key", "status", "code"), [("s", 200, None), ("r", 403, 10), ("o", 403, 10), ("x", 401, 190)]
)
async def test_a_key_sends_only_with_its_scope_and_on_its_lines(
    start: Start, key: str, status: int, code: int | None
) -> None:
    async with start(api_keys=KEYS) as gateway:
        body = to_ann(TEMPLATES["utility"])
        headers = {"Authorization": f"Bearer {key}"}
        answered, answer = await gateway.send(body, headers=headers)
        assert (answered, answer.get("error", {}).get("code")) == (status, code)
        assert len(await gateway.accepted()) == (1 if status == 200 else 0)
        callers = [one["data"]["caller"] for one in await gateway.events("SendRequested")]
        assert callers == (["shop"] if status == 200 else [])


@pytest.mark.parametrize(
    ("asked", "code", "named"),
    [
        (b"", 100, "JSON"),
        (b"{", 100, "JSON"),
        (b"[]", 100, "object"),
        (b'{"to":NaN}', 100, "JSON"),
        (b"[" * 5000, 100, "JSON"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, 100, "deeper"),
        ({}, 131008, "to "),
        ({"to": "", "text": {"body": "x"}}, 131008, "to "),
        ({"to": 447700900123, "text": {"body": "x"}}, 131009, "to "),
        ({"to": "Ann", "text": {"body": "x"}}, 131009, "to "),
        ({"to": BSUID, "text": {"body": "x"}}, 131009, "recipient"),
        ({"recipient": ANN, "text": {"body": "x"}}, 131009, "recipient"),
        ({"recipient_type": "everybody", "to": ANN, "text": {"body": "x"}}, 131009, "recipient_type"),
        ({"recipient_type": "group", "text": {"body": "x"}}, 131008, "to "),
        ({"to": ANN}, 131008, "text"),
        ({"to": ANN, "type": "image", "text": {"body": "x"}}, 131008, "image"),
        ({"to": ANN, "type": "image", "image": "x"}, 131009, "image"),
        ({"to": ANN, "type": "contacts", "contacts": {}}, 131009, "contacts"),
        ({"to": ANN, "type": 7}, 131009, "type"),
        ({"to": ANN, "text": {"body": "x"}, "category": ["utility"]}, 131009, "category"),
        ({"to": ANN, "text": {"body": "x"}, "biz_opaque_callback_data": 1}, 131009, "biz_opaque_callback"),
        ({"status": "sent", "message_id": "wamid.A"}, 131009, "status"),
        ({"status": "read"}, 131008, "message_id"),
        ({"status": "read", "message_id": 5}, 131009, "message_id"),
    ],
)
async def test_what_is_malformed_names_its_field_and_leaves_no_event(
    running: Running, metric: Metric, asked: Any, code: int, named: str
) -> None:
    status, answer = await running.post(f"/v26.0/{LINE}/messages", asked)
    assert (status, answer["error"]["code"]) == (400, code)
    assert answer["error"]["type"] == "OAuthException"
    titles = {100: "Invalid parameter", 131008: "Required parameter is missing"}
    assert answer["error"]["message"] == f"(#{code}) {titles.get(code, 'Parameter value is not valid')}"
    assert named in answer["error"]["error_data"]["details"]
    assert await running.events() == []
    assert await metric(running, "ledgerline_sends_total", outcome="malformed", face="cloud") == 1


async def test_a_line_that_is_not_configured_sends_nothing(running: Running) -> None:
    status, answer = await running.send(to_ann(TEMPLATES["utility"]), line="106000000000001")
    assert (status, answer["error"]["code"]) == (400, 33)
    assert "106000000000001" in answer["error"]["error_data"]["details"]
    assert await running.events() == []


async def test_no_other_path_of_the_graph_is_passed_on(running: Running) -> None:
    for path in (f"/v26.0/{LINE}/messages_encrypted", "/v26.0/", f"/v26.0/{LINE}/request_code"):
        status, answer = await running.post(path, {})
        assert (status, answer["error"]["code"]) == (403, 10)
        assert path in answer["error"]["error_data"]["details"]


async def test_many_sends_at_once_leave_once_each(running: Running) -> None:
    await running.writes()
    texts = [f"Parcel {number} is on its way." for number in range(60)]

    async def send(text: str) -> tuple[int, str]:
        async with running.http.post(
            f"{running.url}/v26.0/{LINE}/messages", json=to_ann({"type": "text", "text": {"body": text}})
        ) as answer:
            return answer.status, answer.headers["Ledgerline-Send-Id"]

    answers = await asyncio.gather(*map(send, texts))
    assert {status for status, _ in answers} == {200}
    assert len({send_id for _, send_id in answers}) == 60
    reached = [(one["body"]["text"]["body"], one["count"]) for one in await running.accepted()]
    assert sorted(reached) == sorted((text, 1) for text in texts)
    for topic in ("SendRequested", "SendDispatched", "SendAccepted"):
        found = Counter(one["data"]["send_id"] for one in await running.events(topic))
        assert found == Counter(send_id for _, send_id in answers), topic
