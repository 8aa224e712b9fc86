"""Callbacks that come twice, late, in any order, in pieces or forged: what is taken is recorded once."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

import orjson
import pytest
from aiohttp import web
from running import ANN, LINE, Running, Start, whatsapp
from wires import Wire

from gateway import webhook
from gateway.bucket import LONGEST, Bucket

pytestmark = pytest.mark.usefixtures("sound")

WEEK = 7 * 24 * 3600
TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}


def text(number: int) -> dict[str, Any]:
    message = {"id": f"wamid.{number}", "timestamp": "1795305600", "type": "text", "text": {"body": "Hello."}}
    return message | {"from": ANN}


def status(wamid: str, word: str, at: int = 1_795_305_600, **more: Any) -> dict[str, Any]:
    return {"id": wamid, "status": word, "timestamp": str(at), "recipient_id": ANN} | more


def callback(**items: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": LINE}
    value = {"messaging_product": "whatsapp", "metadata": metadata} | items
    changes = [{"field": "messages", "value": value}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": changes}]}


class TestAgain:
    async def test_on_two_gateways_at_once_each_is_recorded_once(self, start: Start) -> None:
        batches = [
            callback(messages=[text(n), text(n + 1)], statuses=[status("a", "read")]) for n in range(9)
        ]
        async with start() as one, start() as other:
            posts = [gateway.callback(batch) for batch in batches for gateway in (one, other)]
            assert await asyncio.gather(*posts) == [200] * 18
            ids = [event["data"]["opened"]["message_id"] for event in await one.events("MessageReceived")]
            assert sorted(ids) == [f"wamid.{n}" for n in range(10)]
            assert len(await other.events("StatusReceived")) == 1

    async def test_seven_days_later_nothing_is_new(self, running: Running) -> None:
        batch = callback(messages=[text(1)], statuses=[status("wamid.A", "delivered")], odd=[1])
        assert await running.callback(batch) == 200
        events = await running.events()
        window = await running.get(f"/api/lines/{LINE}/conversations/{ANN}/window")
        await running.advance(WEEK)
        assert await running.callback(batch) == 200
        assert await running.events() == events
        later = await running.get(f"/api/lines/{LINE}/conversations/{ANN}/window")
        assert later[1]["open_until"] == window[1]["open_until"]

    async def test_in_every_order_a_message_ends_in_the_same_state(self, running: Running) -> None:
        words = {
            "sent": 1_795_305_601,
            "delivered": 1_795_305_602,
            "read": 1_795_305_603,
            "odd": 1_795_305_604,
        }
        found = []
        for number, order in enumerate(permutations(words)):
            for word in order:
                assert (
                    await running.callback(callback(statuses=[status(f"wamid.{number}", word, words[word])]))
                    == 200
                )
        await running.settled()
        for number in range(24):
            _, message = await running.get(f"/api/messages/wamid.{number}")
            found.append({name: message[name] for name in ("state", "sent_at", "delivered_at", "read_at")})
        assert found == [found[0]] * 24
        assert found[0]["state"] == "read"
        assert None not in found[0].values()


async def test_a_status_that_comes_before_the_answer_of_its_send_is_its_own(start: Start) -> None:
    async def answer(request: web.Request) -> web.Response:
        opaque = (await request.json())["biz_opaque_callback_data"]
        delivered = status("wamid.early", "delivered", biz_opaque_callback_data=opaque)
        assert await gateway.callback(callback(statuses=[delivered])) == 200
        contacts = [{"input": ANN, "wa_id": ANN}]
        return web.json_response({"contacts": contacts, "messages": [{"id": "wamid.early"}]})

    async with whatsapp(answer) as (url, posted), start(upstream_url=url) as gateway:
        assert (await gateway.send(TEMPLATE))[0] == 200
        send_id = gateway.headers["Ledgerline-Send-Id"]
        await gateway.settled()
        _, by_send = await gateway.get(f"/api/messages/{send_id}")
        _, by_message = await gateway.get("/api/messages/wamid.early")
        assert (by_send["state"], by_message["send_id"]) == ("delivered", send_id)
        assert await gateway.events("SendUnknown", "SendSettled", "SendFailed") == []
        assert len(posted) == 1


BODY = orjson.dumps(callback(messages=[text(1)]))


async def is_well(gateway: Running, known: int) -> None:
    """It still takes callbacks, and holds that many messages beside the new one."""
    assert await gateway.callback(callback(messages=[text(99)])) == 200
    assert len(await gateway.events("MessageReceived")) == known + 1


class TestInPieces:
    async def test_byte_by_byte_while_others_are_served(self, running: Running) -> None:
        async with Wire(running) as wire:
            await wire.head(BODY, Content_Length=str(len(BODY)))
            for place in range(len(BODY)):
                await wire.write(BODY[place : place + 1])
                if place == len(BODY) // 2:
                    await is_well(running, 0)
            assert await wire.status() == 200
        await is_well(running, 1)

    async def test_in_chunks(self, running: Running) -> None:
        async with Wire(running) as wire:
            await wire.head(BODY, Transfer_Encoding="chunked")
            for place in range(0, len(BODY), 50):
                piece = BODY[place : place + 50]
                await wire.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await wire.write(b"0\r\n\r\n")
            assert await wire.status() == 200
        await is_well(running, 1)

    async def test_chunks_without_an_end_are_too_large_at_four_megabytes(self, running: Running) -> None:
        async with Wire(running) as wire:
            await wire.head(BODY, Transfer_Encoding="chunked")
            for _ in range(80):
                await wire.write(b"%x\r\n%b\r\n" % (65_536, b"x" * 65_536))
            assert await wire.status() == 413
        await is_well(running, 0)

    @pytest.mark.parametrize("sent", [0, 1, len(BODY) // 2, len(BODY) - 1])
    async def test_half_of_a_body_is_none(self, running: Running, sent: int) -> None:
        async with Wire(running) as wire:
            await wire.head(BODY, Content_Length=str(len(BODY)))
            await wire.write(BODY[:sent])
        async with Wire(running) as wire:
            await wire.head(BODY, Content_Length=str(len(BODY)))
            await wire.write(BODY[:sent])
            wire.end()
            assert await wire.status() in (0, 400)
        await is_well(running, 0)

    async def test_a_length_that_is_too_short_is_another_body(self, running: Running) -> None:
        async with Wire(running) as wire:
            await wire.head(BODY, Content_Length=str(len(BODY) - 7))
            await wire.write(BODY)
            assert await wire.status() in (400, 401)
        await is_well(running, 0)

    async def test_a_length_that_is_too_long_waits_for_what_never_comes(self, running: Running) -> None:
        async with Wire(running) as wire:
            await wire.head(BODY, Content_Length=str(len(BODY) + 7))
            await wire.write(BODY)
            await is_well(running, 0)
        await is_well(running, 0)

    @pytest.mark.parametrize("length", ["-1", "x", "1, 2", "99999999999999999999"])
    async def test_a_length_that_is_none_is_refused(self, running: Running, length: str) -> None:
        async with Wire(running) as wire:
            await wire.head(BODY, Content_Length=length)
            await wire.write(BODY)
            wire.end()
            assert await wire.status() in (0, 400, 413)
        await is_well(running, 0)

    async def test_two_lengths_at_once_are_refused(self, running: Running) -> None:
        async with Wire(running) as wire:
            await wire.head(BODY, Content_Length=str(len(BODY)), Transfer_Encoding="chunked")
            await wire.write(BODY)
            assert await wire.status() == 400
        await is_well(running, 0)


async def test_a_flood_of_forged_callbacks_changes_nothing_for_the_others(running: Running) -> None:
    forged = [running.callback(callback(messages=[text(1_000 + n)]), secret="guessed") for n in range(400)]
    good = [running.callback(callback(messages=[text(n)])) for n in range(40)]
    assert await asyncio.gather(*forged[:200], *good, *forged[200:]) == [401] * 200 + [200] * 40 + [401] * 200
    ids = [event["data"]["opened"]["message_id"] for event in await running.events("MessageReceived")]
    assert sorted(ids) == sorted(f"wamid.{n}" for n in range(40))


async def test_who_forges_a_lot_waits_and_nobody_else(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_FORGED", Bucket(rate=1, monotonic=lambda: 0.0))
    now, good = asyncio.get_running_loop().time, callback(messages=[text(1)])
    begun = now()
    assert [await running.callback(good, secret="guessed") for _ in range(2)] == [401, 401]
    assert now() - begun >= LONGEST
    begun = now()
    assert [await running.callback(good) for _ in range(5)] == [200] * 5
    assert now() - begun < 5 * LONGEST
