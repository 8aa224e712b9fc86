"""What a client receives: WhatsApp's items one by one, signed, at a webhook made with the client itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from conformance.capabilities import RECEIVES
from conformance.client import JAVASCRIPT, node
from running import until

from gateway.sandbox import API_KEY, LINE

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
        process = await asyncio.create_subprocess_exec(
            node(),
            script,
            cwd=JAVASCRIPT,
            env=os.environ | {"WORLD": json.dumps(world)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        port = json.loads(await process.stdout.readline())["port"]
        webhook = Webhook(f"http://127.0.0.1:{port}/")
        reader = asyncio.create_task(_read(process.stdout, webhook))
        try:
            yield webhook
        finally:
            process.terminate()
            await process.wait()
            await reader

    return listening


async def _read(lines: asyncio.StreamReader, webhook: Webhook) -> None:
    async for line in lines:
        webhook.seen.append(json.loads(line))


def body_of(*changes: Mapping[str, Any]) -> bytes:
    """A callback, written as WhatsApp writes it."""
    entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": one} for one in changes]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    """Of a body, as WhatsApp signs it."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Heard:
    """What a webhook made of everything it was sent."""

    challenge: tuple[int, str]
    unsigned: int
    """Its status for a body with another signature."""
    statuses: Mapping[str, int]
    seen: list[Mapping[str, Any]]


async def hear(listening: Listening, names: tuple[str, ...]) -> Heard:
    """Send a webhook a verification, a forged body and the items of these names, one by one."""
    items = [name for name in names if name in ITEMS]
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    async with listening() as webhook, ClientSession() as http:
        async with http.get(webhook.url, params=query) as answer:
            challenge = (answer.status, await answer.text())
        unsigned = await _post(http, webhook, body_of(ITEMS["text"].value()), secret="another")
        assert not webhook.seen or "wrong signature" not in names
        webhook.seen.clear()
        statuses = {name: await _post(http, webhook, body_of(ITEMS[name].value())) for name in items}
        with contextlib.suppress(TimeoutError):  # what is missing is judged one by one
            await until(lambda: _all_seen(webhook, len(items)), seconds=5)
        return Heard(challenge, unsigned, statuses, list(webhook.seen))


async def _post(http: ClientSession, webhook: Webhook, body: bytes, *, secret: str = SECRET) -> int:
    headers = {"X-Hub-Signature-256": signature(body, secret), "Content-Type": "application/json"}
    async with http.post(webhook.url, data=BytesIO(body), headers=headers) as answer:
        return answer.status


async def _all_seen(webhook: Webhook, count: int) -> bool:
    return len(webhook.seen) >= count
