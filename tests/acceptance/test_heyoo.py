"""Unmodified heyoo against the gateway: sends, media, read receipts, and its own way with 131047."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from heyoo import WhatsApp
from running import ANN, LINE, Running

from gateway.sandbox import API_KEY


def heyoo_at(url: str) -> WhatsApp:
    """A heyoo client whose addresses point at the gateway, as its users would point them."""
    client = WhatsApp(token=API_KEY, phone_number_id=LINE)
    client.base_url = f"{url}/v14.0"
    client.v15_base_url = f"{url}/v15.0"
    client.url = f"{client.base_url}/{LINE}/messages"
    return client


async def test_heyoo_sends_a_text_inside_the_window(running: Running) -> None:
    await running.writes()
    answer = await asyncio.to_thread(heyoo_at(running.url).send_message, "On its way.", ANN)

    [message] = await running.accepted()
    assert answer["messages"][0]["id"] == message["message_id"]


async def test_heyoo_sends_a_template_outside_the_window(running: Running) -> None:
    components: list[dict[str, Any]] = [{"type": "body", "parameters": [{"type": "text", "text": "A-1042"}]}]
    answer = await asyncio.to_thread(
        heyoo_at(running.url).send_template, "order_update", ANN, components, lang="en_GB"
    )

    [message] = await running.accepted()
    assert (message["type"], answer["messages"][0]["id"]) == ("template", message["message_id"])


async def test_heyoo_gets_the_error_that_whatsapp_would_call_back_with(running: Running) -> None:
    answer = await asyncio.to_thread(heyoo_at(running.url).send_message, "On its way.", ANN)

    assert answer["error"]["code"] == 131047
    assert await running.accepted() == []


# heyoo itself leaves the file open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_heyoo_uploads_finds_fetches_and_deletes_media(running: Running, tmp_path: Path) -> None:
    picture = tmp_path / "A-1042.png"
    picture.write_bytes(bytes(range(256)) * 1000)
    client = heyoo_at(running.url)

    uploaded = await asyncio.to_thread(client.upload_media, str(picture))
    assert uploaded is not None
    address = await asyncio.to_thread(client.query_media_url, uploaded["id"])
    assert address is not None
    assert address.startswith(running.url)
    fetched = await asyncio.to_thread(client.download_media, address, "image/png", str(tmp_path / "fetched"))

    assert fetched == str(tmp_path / "fetched.png")
    assert (tmp_path / "fetched.png").read_bytes() == picture.read_bytes()
    assert await asyncio.to_thread(client.delete_media, uploaded["id"]) == {"success": True}
    assert await asyncio.to_thread(client.query_media_url, uploaded["id"]) is None


async def test_heyoo_marks_as_read(running: Running) -> None:
    message_id = await running.writes()

    assert await asyncio.to_thread(heyoo_at(running.url).mark_as_read, message_id) == {"success": True}
