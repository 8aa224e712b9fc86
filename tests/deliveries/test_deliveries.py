"""Events reach their destinations: in order, signed, each until it is taken."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from aiohttp import web
from running import ANN, Running, Start, until
from sinks import Delivery, Sink, added, sink, text_of
from standardwebhooks import Webhook

BEN = "447700900456"


def says(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": text}}


async def state(gateway: Running, made: dict[str, Any]) -> dict[str, Any]:
    status, shown = await gateway.get(f"/api/destinations/{made['id']}")
    assert status == 200
    return dict(shown)


async def test_a_message_arrives_as_whatsapp_would_have_sent_it(running: Running, hook: Sink) -> None:
    made = await added(running, hook, secret="the-app-secret", headers={"X-Team": "crm"})

    message_id = await running.writes(ANN, **says("Grüße / 👋"))
    await until(lambda: _are(hook.taken, 1))

    [one] = hook.taken
    assert rb"Gr\u00fc\u00dfe \/ \ud83d\udc4b" in one.body
    mac = hmac.new(b"the-app-secret", one.body, hashlib.sha256).hexdigest()
    assert one.headers["x-hub-signature-256"] == f"sha256={mac}"
    assert (one.headers["content-type"], one.headers["x-team"]) == ("application/json", "crm")
    [entry] = one.json["entry"]
    [change] = entry["changes"]
    value = change["value"]
    assert (one.json["object"], change["field"]) == ("whatsapp_business_account", "messages")
    assert value["metadata"]["phone_number_id"] == "106540352242922"
    assert value["contacts"][0]["wa_id"] == ANN
    assert [message["id"] for message in value["messages"]] == [message_id]
    assert made["secret"] == "the-app-secret"
    [event] = await running.events("MessageReceived")
    assert one.event == event["data"]["key"]


async def test_an_event_arrives_as_cloud_event_that_the_published_library_verifies(
    running: Running, hook: Sink
) -> None:
    made = await added(running, hook, format="events", filter={"topics": ["MessageReceived"]})

    await running.writes(ANN, **says("Where is it?"))
    await until(lambda: _are(hook.taken, 1))

    [one] = hook.taken
    event = Webhook(made["secret"]).verify(one.body, one.headers)
    [shown] = await running.events("MessageReceived")
    assert event["data"] == shown
    assert (event["specversion"], event["id"]) == ("1.0", shown["data"]["key"])
    assert (event["type"], event["subject"]) == ("ledgerline.MessageReceived", shown["stream"])
    assert int(event["sequence"]) == shown["position"]
    assert one.headers["content-type"] == "application/cloudevents+json"
    assert one.headers["webhook-id"] == one.event == event["id"]


async def test_a_signature_has_the_time_of_the_machine_whatever_the_sandbox_has(
    running: Running, hook: Sink
) -> None:
    made = await added(running, hook, format="events", filter={"topics": ["MessageReceived"]})

    await running.advance(90_000)
    await running.writes(ANN, **says("A day later"))
    await until(lambda: _are(hook.taken, 1))

    [one] = hook.taken
    assert Webhook(made["secret"]).verify(one.body, one.headers)


async def test_the_callers_own_callback_data_is_restored(running: Running, hook: Sink) -> None:
    await added(running, hook, filter={"topics": ["StatusReceived"]})
    await running.writes()

    await running.text(biz_opaque_callback_data="job/7")
    await until(lambda: _are(hook.taken, 2))

    for one in hook.taken:
        [status] = one.json["entry"][0]["changes"][0]["value"]["statuses"]
        assert status["biz_opaque_callback_data"] == "job/7"


async def test_without_callback_data_of_the_callers_there_is_none(running: Running, hook: Sink) -> None:
    await added(running, hook, filter={"topics": ["StatusReceived"]})
    await running.writes()

    await running.text()
    await until(lambda: _are(hook.taken, 2))

    for one in hook.taken:
        assert b"callback_data" not in one.body


async def test_a_batch_arrives_item_by_item_in_order_of_each_conversation(
    running: Running, hook: Sink
) -> None:
    await added(running, hook)

    await running.post("/sandbox/faults", {"kind": "batch", "times": 10})
    for number in range(10):
        await running.writes((ANN, BEN)[number % 2], **says(str(number)))
    await running.settled()
    await until(lambda: _are(hook.taken, 10))

    numbers = [int(text) for text in hook.texts()]
    events = await running.events("MessageReceived")
    recorded = [int(event["data"]["opened"]["item"]["text"]["body"]) for event in events]
    for remainder in (0, 1):
        assert [one for one in numbers if one % 2 == remainder] == [
            one for one in recorded if one % 2 == remainder
        ]


async def test_what_is_refused_waits_with_its_conversation_and_the_others_go_on(
    running: Running, hook: Sink
) -> None:
    made = await added(running, hook)
    hook.verdict = lambda one: 500 if text_of(one) == "poison" else 200

    await running.writes(ANN, **says("poison"))
    await running.writes(ANN, **says("behind it"))
    for number in range(5):
        await running.writes(BEN, **says(str(number)))
    await until(lambda: _are(hook.taken, 5))
    shown = await until(lambda: _has(running, made, parked=2))

    assert hook.texts() == [str(number) for number in range(5)]
    assert shown["next_try"] is not None
    hook.verdict = lambda _: 200
    await running.advance(10)
    await until(lambda: _are(hook.taken, 7))
    assert hook.texts()[5:] == ["poison", "behind it"]
    await until(lambda: _has(running, made, parked=0, delivered=7))
    await running.writes(ANN, **says("later"))
    await until(lambda: _are(hook.taken, 8))


async def test_a_destination_that_is_down_gets_everything_in_order_when_it_is_back(
    running: Running, hook: Sink
) -> None:
    made = await added(running, hook)
    hook.verdict = lambda _: 502

    people = [f"4477009{number:05d}" for number in range(12)]
    for person in people:
        for text in ("first", "second"):
            await running.writes(person, **says(f"{person} {text}"))
    await until(lambda: _is_failing(running, made))
    hook.verdict = lambda _: 200
    await running.advance(7)
    await until(lambda: _are(hook.taken, 24), seconds=30)

    for person in people:
        mine = [text for text in hook.texts() if text.startswith(person)]
        assert mine == [f"{person} first", f"{person} second"]
    shown = await until(lambda: _has(running, made, delivered=24, parked=0))
    assert shown["failing_since"] is None


async def test_410_ends_it_at_once(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    hook.verdict = lambda _: 410

    await running.writes()
    shown = await until(lambda: _has(running, made, state="disabled"))

    assert shown["reason"] == "it answered 410 Gone"
    assert len(hook.got) == 1
    await until(lambda: _says(running, made, 410))
    events = await running.events("DestinationChanged")
    assert [event["data"]["event"] for event in events] == ["added", "disabled"]
    hook.verdict = lambda _: 200
    status, _ = await running.post(f"/api/destinations/{made['id']}/resume", {})
    assert status == 200
    await until(lambda: _are(hook.taken, 1))


async def test_retry_after_is_honoured(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    hook.verdict = lambda _: web.Response(status=429, headers={"Retry-After": "100"})

    await running.writes()
    await until(lambda: _is_failing(running, made))
    await running.advance(60)
    await running.writes(BEN)
    hook.verdict = lambda _: 200
    assert len(hook.got) == 1
    await running.advance(41)

    await until(lambda: _are(hook.taken, 2))
    await until(lambda: _has(running, made, parked=0, failing_since=None))


async def test_redirects_are_not_followed(running: Running, hook: Sink) -> None:
    async with sink() as elsewhere:
        made = await added(running, hook)
        hook.verdict = lambda _: web.Response(status=307, headers={"Location": elsewhere.url})

        await running.writes()
        await until(lambda: _has(running, made, parked=1))

        assert elsewhere.got == []


async def test_a_new_destination_begins_at_the_head_or_where_it_is_told(running: Running, hook: Sink) -> None:
    await running.writes(ANN, **says("before"))
    await added(running, hook)
    async with sink() as other:
        await added(running, other, name="archive", **{"from": 1})

        await running.writes(ANN, **says("after"))
        await until(lambda: _are(other.taken, 2))
        await until(lambda: _are(hook.taken, 1))

        assert other.texts() == ["before", "after"]
        assert hook.texts() == ["after"]


async def test_everything_is_delivered_again_from_a_position(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    for text in ("one", "two", "three"):
        await running.writes(ANN, **says(text))
    await until(lambda: _are(hook.taken, 3))
    _, two, _ = await running.events("MessageReceived")

    status, answer = await running.post(
        f"/api/destinations/{made['id']}/redeliver", {"from": two["position"]}
    )
    assert (status, answer["from"]) == (202, two["position"])
    await until(lambda: _are(hook.taken, 5))

    assert hook.texts() == ["one", "two", "three", "two", "three"]
    assert [one.event for one in hook.taken[1:3]] == [one.event for one in hook.taken[3:]]


async def test_after_five_days_an_event_is_a_dead_letter_when_others_got_through(
    running: Running, hook: Sink
) -> None:
    made = await added(running, hook)
    hook.verdict = lambda one: 500 if text_of(one) == "poison" else 200

    await running.writes(ANN, **says("poison"))
    await until(lambda: _has(running, made, parked=1))
    await running.writes(BEN, **says("fine"))
    await until(lambda: _are(hook.taken, 1))
    await running.advance(5 * 24 * 3600)
    await until(lambda: _has(running, made, dead=1, parked=0))
    await running.writes(ANN, **says("next"))
    await until(lambda: _are(hook.taken, 2))

    assert hook.texts() == ["fine", "next"]
    hook.verdict = lambda _: 200
    status, answer = await running.post(f"/api/destinations/{made['id']}/redeliver", {"failed": True})
    assert (status, answer) == (202, {"events": 1})
    await until(lambda: _are(hook.taken, 3))
    assert hook.texts()[-1] == "poison"


async def test_after_five_days_of_nothing_the_destination_is_paused(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    hook.verdict = lambda _: 500

    await running.writes()
    await until(lambda: _has(running, made, parked=1))
    await running.advance(5 * 24 * 3600)
    shown = await until(lambda: _has(running, made, state="paused"))

    assert shown["reason"] == "it has taken nothing for five days"
    assert shown["parked"] == 1

    async def told() -> list[Any]:  # just after the state
        events = await running.events("DestinationChanged")
        return events[1:]

    [event] = await until(told)
    assert (event["data"]["event"], event["data"]["name"]) == ("paused", "crm")


async def test_while_a_secret_is_rotated_both_sign(running: Running, hook: Sink) -> None:
    made = await added(running, hook, format="events", filter={"topics": ["MessageReceived"]})
    path = f"/api/destinations/{made['id']}"
    async with running.http.patch(running.url + path, json={"state": "paused"}) as answer:
        assert (answer.status, (await answer.json())["state"]) == (200, "paused")

    status, rotated = await running.post(f"{path}/rotate", {})
    assert status == 200
    await running.writes()
    await running.post(f"{path}/resume", {})
    await until(lambda: _are(hook.taken, 1))

    [one] = hook.taken
    for secret in (made["secret"], rotated["secret"]):
        Webhook(secret).verify(one.body, one.headers)
    assert made["secret"] != rotated["secret"]


async def test_a_second_gateway_takes_over_when_the_first_one_stops(start: Start, hook: Sink) -> None:
    async with start() as second:
        async with start() as first:
            await added(first, hook)
            await first.writes(ANN, **says("one"))
            await until(lambda: _are(hook.taken, 1))
        await second.callback(_callback("two"))
        await until(lambda: _are(hook.taken, 2))

    assert hook.texts() == ["one", "two"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "https://localhost/x", "https://[::1]/x"])
async def test_a_private_address_is_refused_unless_it_is_allowed(start: Start, url: str) -> None:
    async with start(destinations_private=()) as gateway:
        status, problem = await gateway.post(
            "/api/destinations", {"name": "crm", "url": url, "format": "events"}
        )

    assert (status, problem["parameter"]) == (400, "url")
    assert "LEDGERLINE_DESTINATIONS_PRIVATE" in problem["detail"]


async def test_what_was_allowed_once_is_refused_at_the_connection(start: Start, hook: Sink) -> None:
    async with start() as gateway:
        made = await added(gateway, hook)
    async with start(destinations_private=()) as gateway:
        await gateway.writes()
        await until(lambda: _has(gateway, made, parked=1))
        shown = await until(lambda: _with_answers(gateway, made))

    assert shown["answers"][0]["error"] == "RefusedAddress"
    assert hook.got == []


def _callback(text: str) -> dict[str, Any]:
    message = {"from": ANN, "id": f"wamid.{text}", "timestamp": "1793000000", **says(text)}
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": [message]}
    change = {"field": "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}


async def _are(found: list[Delivery], count: int) -> bool:
    return len(found) >= count


async def _has(gateway: Running, made: dict[str, Any], **wanted: Any) -> dict[str, Any] | None:
    shown = await state(gateway, made)
    return shown if wanted.items() <= shown.items() else None


async def _with_answers(gateway: Running, made: dict[str, Any]) -> dict[str, Any] | None:
    shown = await state(gateway, made)
    return shown if shown["answers"] else None


async def _is_failing(gateway: Running, made: dict[str, Any]) -> bool:
    return (await state(gateway, made))["failing_since"] is not None


async def _says(gateway: Running, made: dict[str, Any], status: int) -> bool:
    _, shown = await gateway.get(f"/api/destinations/{made['id']}")
    return bool(shown["answers"] and shown["answers"][0]["status"] == status)
