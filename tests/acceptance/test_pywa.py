"""Unmodified pywa against the gateway: it notices nothing but its own exception, in good time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from pywa import WhatsApp
from pywa.errors import ReEngagementMessage
from pywa.types.templates import BodyText, TemplateLanguage
from running import ANN, LINE, Running

from gateway.sandbox import API_KEY


@contextmanager
def pywa_at(url: str) -> Iterator[WhatsApp]:
    """A pywa client whose HTTP session points at the gateway, as its users would point it."""
    with httpx.Client() as session:
        whatsapp = WhatsApp(phone_id=LINE, token=API_KEY, session=session)
        session.base_url = f"{url}/v25.0"
        yield whatsapp


async def test_pywa_sends_a_text_inside_the_window(running: Running) -> None:
    await running.writes()
    with pywa_at(running.url) as whatsapp:
        sent = await asyncio.to_thread(whatsapp.send_message, to=ANN, text="On its way.")

    accepted = await running.accepted()
    assert [message["message_id"] for message in accepted] == [sent.id]


async def test_pywa_sends_a_template_outside_the_window(running: Running) -> None:
    with pywa_at(running.url) as whatsapp:
        sent = await asyncio.to_thread(
            whatsapp.send_template,
            to=ANN,
            name="order_update",
            language=TemplateLanguage.ENGLISH_UK,
            params=[BodyText.params("A-1042")],
        )

    accepted = await running.accepted()
    assert [(message["type"], message["message_id"]) for message in accepted] == [("template", sent.id)]


async def test_pywa_raises_its_own_exception_outside_the_window_and_nothing_is_sent(running: Running) -> None:
    await running.writes()
    await running.advance(25 * 3600)
    with pywa_at(running.url) as whatsapp, pytest.raises(ReEngagementMessage) as raised:
        await asyncio.to_thread(whatsapp.send_message, to=ANN, text="On its way.")

    assert raised.value.code == 131047
    assert "window closed" in str(raised.value.details)
    assert await running.accepted() == []


async def test_pywa_uploads_fetches_and_deletes_media(running: Running) -> None:
    picture = bytes(range(256)) * 1000
    with pywa_at(running.url) as whatsapp:
        media = await asyncio.to_thread(
            whatsapp.upload_media, picture, mime_type="image/png", filename="A-1042.png"
        )
        address = await asyncio.to_thread(whatsapp.get_media_url, media.id)
        fetched = await asyncio.to_thread(whatsapp.get_media_bytes, url=address.url)
        deleted = await asyncio.to_thread(whatsapp.delete_media, media.id)

    assert address.url.startswith(running.url)
    assert fetched == picture
    assert deleted
