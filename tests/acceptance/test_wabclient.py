"""Unmodified wabclient, the on-premises API's client in Python, against the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import requests
from running import ANN, Running
from wabclient import Client
from wabclient.commands import MediaCommand
from wabclient.exceptions import AddressException

from gateway.sandbox import API_KEY


@contextmanager
def wabclient_at(url: str) -> Iterator[Client]:
    """A logged-in client; one session for both of its connections, closed at the end."""
    with requests.Session() as session:
        client = Client(url, session=session)
        client.config.login("admin", API_KEY)
        yield client


async def using(running: Running, use: Any) -> Any:
    """What `use` gives for a logged-in client, which blocks."""

    def work() -> Any:
        with wabclient_at(running.url) as client:
            return use(client)

    return await asyncio.to_thread(work)


async def types(running: Running) -> list[str]:
    """The types of what WhatsApp accepted."""
    return [message["type"] for message in await running.accepted()]


async def test_wabclient_logs_in_with_a_key_as_its_password(running: Running) -> None:
    token, expires = await using(running, lambda client: client.config.login("admin", API_KEY))
    assert token == API_KEY
    assert expires > datetime.now(UTC) + timedelta(days=6)


async def test_wabclient_cannot_log_in_with_another_password(running: Running) -> None:
    with pytest.raises(requests.HTTPError) as raised:
        await using(running, lambda client: client.config.login("admin", "wrong"))
    assert raised.value.response.status_code == 401


async def test_wabclient_checks_contacts(running: Running) -> None:
    assert await using(running, lambda client: client.get_address("+44 7700 900123")) == ANN
    checked = await using(running, lambda client: client.check_contacts([f"+{ANN}", "soon"], wait=True))
    assert [contact["status"] for contact in checked["contacts"]] == ["valid", "invalid"]
    with pytest.raises(AddressException):
        await using(running, lambda client: client.get_address("soon"))


async def test_wabclient_sends_texts_and_media_inside_the_window(running: Running) -> None:
    await running.writes()
    link = {"link": "https://a.example/receipt.pdf", "filename": "receipt.pdf"}
    by_link = {"to": ANN, "type": "document", "document": link}
    image = MediaCommand(to=ANN, message_type="image", media_id="1037543291543636")

    def use(client: Client) -> list[Any]:
        return [
            client.send_message(f"+{ANN}", "See https://a.example/", check_address=True),
            client.connection.send(image),
            client.connection.post("/v1/messages", json=by_link).json(),
        ]

    sent = await using(running, use)
    accepted = await running.accepted()
    assert [message["message_id"] for message in accepted] == [one["messages"][0]["id"] for one in sent]
    bodies = [message.body for message in running.simulator.accepted.values()]
    assert bodies[0]["text"] == {"body": "See https://a.example/", "preview_url": True}
    assert bodies[1]["image"] == {"id": "1037543291543636"}
    assert bodies[2]["document"] == link


async def test_wabclient_uploads_and_fetches_media(running: Running) -> None:
    picture = bytes(range(256)) * 1000

    def use(client: Client) -> tuple[int, bytes]:
        media_id = client.connection.upload_media(BytesIO(picture), "image/png")
        length, body = client.download_media(media_id)
        return length, body.read()

    assert await using(running, use) == (len(picture), picture)


async def test_wabclient_sends_templates_outside_the_window(running: Running) -> None:
    language = {"policy": "deterministic", "code": "en_GB"}
    template = {"namespace": "8b1f_example", "name": "order_update", "language": language}

    def use(client: Client) -> None:
        client.send_hsm(ANN, "8b1f_example", "order_update", "en_GB", [{"default": "A-1042"}])
        body = {"to": ANN, "type": "template", "template": template}
        client.connection.post("/v1/messages", json=body).raise_for_status()

    await using(running, use)
    assert await types(running) == ["template", "template"]
    hsm, _ = (message.body for message in running.simulator.accepted.values())
    assert hsm["template"]["components"] == [
        {"type": "body", "parameters": [{"type": "text", "text": "A-1042"}]}
    ]


async def test_wabclient_raises_its_own_exception_outside_the_window_and_nothing_is_sent(
    running: Running,
) -> None:
    await running.writes()
    await running.advance(25 * 3600)
    with pytest.raises(requests.HTTPError) as raised:
        await using(running, lambda client: client.send_message(ANN, "On its way."))

    [error] = raised.value.response.json()["errors"]
    assert (raised.value.response.status_code, error["code"]) == (400, 470)
    assert "window closed" in error["details"]
    assert await running.accepted() == []


async def test_wabclient_reads_the_health(running: Running) -> None:
    health = await using(running, lambda client: client.healthcheck())
    assert health["health"] == {"gateway_status": "connected"}
