"""Bodies that drip: each has its time, and whoever keeps within it is served however slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from running import ANN, LINE, Running, Start
from wires import WEBHOOKS, Wire

from gateway import bodies

SEND = f"/v26.0/{LINE}/messages"
UPLOAD = f"/v26.0/{LINE}/media"
FORM = "multipart/form-data; boundary=b"
pytestmark = pytest.mark.usefixtures("sound")

PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: image/png\r\n\r\n'


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a minute."""
    monkeypatch.setattr(bodies, "BODY", 0.5)
    monkeypatch.setattr(bodies, "UPLOAD", 0.7)


@contextlib.asynccontextmanager
async def dripping(wire: Wire) -> AsyncIterator[None]:
    """A byte now and then, for as long as the other side listens."""

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await wire.write(b" ")
                await asyncio.sleep(0.05)

    task = asyncio.create_task(drip())
    try:
        yield
    finally:
        task.cancel()


async def is_cut_off(running: Running, path: str, kind: str, begun: bytes, *, drips: bool) -> bytes:
    """Send a head and the beginning of a body; what is answered in the end."""
    async with Wire(running) as wire, contextlib.AsyncExitStack() as stack:
        await wire.head(b"", path, Content_Length="100000", Content_Type=kind)
        await wire.write(begun)
        if drips:
            await stack.enter_async_context(dripping(wire))
        status, rest = await wire.answer()
    assert status == 408
    assert b"Connection: close" in rest
    return rest


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (WEBHOOKS, b'"type":"urn:ledgerline:too-slow"'),
        (SEND, b'"code":131016'),
        ("/v1/messages", b'"code":1016'),
        ("/v1/contacts", b'"code":1016'),
        (f"/api/lines/{LINE}/windows", b'"type":"urn:ledgerline:too-slow"'),
    ],
)
@pytest.mark.parametrize("drips", [True, False])
@pytest.mark.usefixtures("impatient")
async def test_who_drips_or_falls_silent_is_told_and_cut_off(
    running: Running,
    path: str,
    told: bytes,
    drips: bool,  # noqa: FBT001 - a case
) -> None:
    assert told in await is_cut_off(running, path, "application/json", b"{", drips=drips)
    assert await running.events() == []
    assert await running.accepted() == []


@pytest.mark.parametrize(
    ("path", "kind", "begun", "told"),
    [(UPLOAD, FORM, PART, b'"code":131016'), ("/v1/media", "image/png", b"file", b'"code":1016')],
)
@pytest.mark.usefixtures("impatient")
async def test_a_file_has_its_time_too(start: Start, path: str, kind: str, begun: bytes, told: bytes) -> None:
    whole: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        whole.append(await request.read())
        return web.json_response({"id": "1"})

    app = web.Application()
    app.router.add_post(UPLOAD, take)
    async with TestServer(app) as server, start(upstream_url=str(server.make_url(""))) as running:
        assert told in await is_cut_off(running, path, kind, begun, drips=True)
    assert whole == []


async def test_four_megabytes_in_many_small_pieces_are_taken(running: Running) -> None:
    message = {"id": "wamid.1", "from": ANN, "timestamp": "1795305600", "type": "text"}
    text = {"body": "x" * (4 * 1024 * 1024 - 1_000)}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": LINE},
        "messages": [message | {"text": text}],
    }
    changes = [{"field": "messages", "value": value}]
    body = orjson.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]})
    async with Wire(running) as wire:
        await wire.head(body, Content_Length=str(len(body)))
        for place in range(0, len(body), 32_768):
            await wire.write(body[place : place + 32_768])
            await asyncio.sleep(0.02)
        assert await wire.status() == 200
    assert len(await running.events("MessageReceived")) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_was_there_in_time_is_not_hurried_afterwards(running: Running) -> None:
    """Nor is the next request on its connection."""
    contacts = orjson.dumps({"contacts": [ANN]})
    async with Wire(running) as wire:
        for _ in range(3):
            await wire.head(contacts, f"/api/lines/{LINE}/windows", Content_Length=str(len(contacts)))
            await wire.write(contacts[:5])
            await asyncio.sleep(0.1)
            await wire.write(contacts[5:])
            assert await wire.status() == 200
            await wire.rest()
            await asyncio.sleep(0.3)
