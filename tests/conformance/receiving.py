"""What a client receives: WhatsApp's items one by one, signed, at a webhook made with the client itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer
from conformance.capabilities import RECEIVES
from conformance.client import JAVASCRIPT, node
from running import Running, until

from gateway.sandbox import API_KEY, LINE, WABA

SECRET: Final = "destination-secret"
VERIFY_TOKEN: Final = "destination-verify-token"
PAYLOADS: Final = Path(__file__).parent.parent / "payloads"


@dataclass(frozen=True, slots=True)
class Item:
    """A callback of the reference, and what of it a client must have seen."""

    name: str
    path: tuple[str | int, ...]

    def value(self) -> dict[str, Any]:
        """The value of the change, on the sandbox's line."""
        body = json.loads((PAYLOADS / f"cloud_{self.name}.json").read_bytes())
        value: dict[str, Any] = body["entry"][0]["changes"][0]["value"]
        value["metadata"]["phone_number_id"] = LINE
        return value

    def seen(self) -> Mapping[str, Any]:
        """The line that a webhook reports."""
        value = self.value()
        [item] = value.get("messages") or value["statuses"]
        detail: Any = item
        for step in self.path:
            detail = json.loads(detail)[step] if isinstance(detail, str) else detail[step]
        return {"id": item["id"], "detail": detail}


ITEMS: Final[Mapping[str, Item]] = {name: Item(*about) for name, about in RECEIVES.items()}


@dataclass
class Webhook:
    """A client's webhook that listens, and what it has seen so far."""

    url: str
    seen: list[Mapping[str, Any]] = field(default_factory=list)


Take = Callable[[bytes, str | None], tuple[int, list[Mapping[str, Any]]]]
"""Status and what was seen, of a body and its signature."""
Verify = Callable[[Mapping[str, str]], tuple[int, str]]
"""Status and text, of the query of a verification."""
Listening = Callable[[], AbstractAsyncContextManager[Webhook]]


def listening_in_python(take: Take, verify: Verify | None) -> Listening:
    """A webhook made with a client of Python."""

    @asynccontextmanager
    async def listening() -> AsyncIterator[Webhook]:
        webhook = Webhook("")

        async def posted(request: web.Request) -> web.Response:
            body, signature = await request.read(), request.headers.get("X-Hub-Signature-256")
            status, seen = await asyncio.to_thread(take, body, signature)
            webhook.seen.extend(seen)
            return web.Response(status=status)

        async def verified(request: web.Request) -> web.Response:
            status, text = verify(request.query) if verify else (404, "")
            return web.Response(status=status, text=text)

        app = web.Application()
        app.router.add_post("/", posted)
        app.router.add_get("/", verified)
        async with TestServer(app) as server:
            webhook.url = f"http://127.0.0.1:{server.port}/"
            yield webhook

    return listening


def listening_in_node(script: str) -> Listening:
    """A webhook made with a client of Node's."""

    @asynccontextmanager
    async def listening() -> AsyncIterator[Webhook]:
        world = {"secret": SECRET, "verify": VERIFY_TOKEN, "key": API_KEY}
        # A child of asyncio's may outlive its loop, which is not the last one of a process of tests.
        process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own script, begun at once
            [node(), script],
            cwd=JAVASCRIPT,
            env=os.environ | {"WORLD": json.dumps(world)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as lines:
            port = json.loads(await asyncio.to_thread(lines.readline))["port"]
            webhook = Webhook(f"http://127.0.0.1:{port}/")
            reader = asyncio.create_task(asyncio.to_thread(_read, lines, webhook))
            try:
                yield webhook
            finally:
                process.terminate()
                await asyncio.to_thread(process.wait)
                await reader

    return listening


def _read(lines: IO[str], webhook: Webhook) -> None:
    for line in lines:
        webhook.seen.append(json.loads(line))


def body_of(*values: Mapping[str, Any]) -> bytes:
    """A callback, written as WhatsApp writes it."""
    entry = {"id": WABA, "changes": [{"field": "messages", "value": one} for one in values]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


TEN: Final = tuple(f"wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgUBATCH{number:02}AA==" for number in range(10))


def batch_of_ten() -> dict[str, Any]:
    """A value with ten messages."""
    value = ITEMS["text"].value()
    [message] = value["messages"]
    return value | {"messages": [message | {"id": message_id} for message_id in TEN]}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a webhook made of everything it was sent."""

    challenge: tuple[int, str]
    forged: int
    """Its status for a body with another signature."""
    seen: list[Mapping[str, Any]]


async def hear(running: Running, listening: Listening, names: tuple[str, ...]) -> Heard:
    """Send a webhook a verification and a forged body, then deliver it what WhatsApp calls back."""
    values = [ITEMS[name].value() for name in names if name in ITEMS]
    async with listening() as webhook:
        challenge = await _verified(running, webhook)
        forged = await _forged(running, webhook)
        await running.settled()
        asked = {"name": "client", "url": webhook.url, "format": "whatsapp", "secret": SECRET}
        status, made = await running.post("/api/destinations", asked)
        assert status == 201, made
        assert await running.callback(body_of(*values)) == 200
        assert await running.callback(body_of(batch_of_ten())) == 200
        with contextlib.suppress(TimeoutError):  # what is missing is judged one by one
            await until(lambda: _all_seen(webhook, len(values) + len(TEN)), seconds=15)
        return Heard(challenge, forged, list(webhook.seen))


async def _verified(running: Running, webhook: Webhook) -> tuple[int, str]:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    async with running.http.get(webhook.url, params=query) as answer:
        return answer.status, await answer.text()


async def _forged(running: Running, webhook: Webhook) -> int:
    body = body_of(ITEMS["text"].value())
    signature = "sha256=" + hmac.new(b"another secret", body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"}
    async with running.http.post(webhook.url, data=BytesIO(body), headers=headers) as answer:
        forged = list(webhook.seen)
        webhook.seen.clear()
        return 200 if forged else answer.status


async def _all_seen(webhook: Webhook, count: int) -> bool:
    return len(webhook.seen) >= count
