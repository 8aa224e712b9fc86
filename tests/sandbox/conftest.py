"""A simulator on its own port, and a receiver of its callbacks on another."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.sandbox import ACCESS_TOKEN, APP_SECRET, LINE, VERIFY_TOKEN
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.controls import add_controls
from gateway.sandbox.graph import graph_app, serving
from gateway.sandbox.simulator import Simulator, create_simulator

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ANN = "447700900123"


@dataclass
class Receiver:
    """A webhook endpoint that keeps every POST; `answers` are statuses to give before 200."""

    url: str = ""
    posts: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0
    answers: list[int] = field(default_factory=list)

    async def callback(self, request: web.Request) -> web.Response:
        raw = await request.read()
        expected = "sha256=" + hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()
        assert request.headers["X-Hub-Signature-256"] == expected
        assert raw.isascii()
        if self.answers:
            self.refused += 1
            return web.Response(status=self.answers.pop(0))
        self.posts.append(json.loads(raw))
        return web.Response()

    async def verification(self, request: web.Request) -> web.Response:
        if request.query["hub.verify_token"] != VERIFY_TOKEN:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    @property
    def values(self) -> list[dict[str, Any]]:
        """The `value` of every change, in the order of arrival."""
        return [
            change["value"] for post in self.posts for entry in post["entry"] for change in entry["changes"]
        ]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values for status in value.get("statuses", ())]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for value in self.values for message in value.get("messages", ())]


@dataclass
class Sandbox:
    """The simulator as its users see it: Graph on one port with the controls beside it."""

    simulator: Simulator
    receiver: Receiver
    http: aiohttp.ClientSession
    began: list[datetime]

    def begin(self, at: datetime) -> None:
        """Set the time that the clock's offset is added to."""
        self.began[:] = [at]

    async def post(self, path: str, body: Any, **kwargs: Any) -> tuple[int, Any]:
        async with self.http.post(self.simulator.graph_url + path, json=body, **kwargs) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, **kwargs: Any) -> tuple[int, Any]:
        async with self.http.get(self.simulator.graph_url + path, **kwargs) as answer:
            return answer.status, await answer.json()

    async def send(self, body: dict[str, Any], edge: str = "messages", line: str = LINE) -> tuple[int, Any]:
        whole = {"messaging_product": "whatsapp", "to": f"+{ANN}", **body}
        return await self.post(f"/v26.0/{line}/{edge}", {k: v for k, v in whole.items() if v is not None})

    async def text(self, body: str = "hi", *, edge: str = "messages", **more: Any) -> tuple[int, Any]:
        return await self.send({"type": "text", "text": {"body": body}, **more}, edge)

    async def template(self, name: str, *, edge: str = "messages", **more: Any) -> tuple[int, Any]:
        template = {"name": name, "language": {"code": "en_US"}}
        return await self.send({"type": "template", "template": template, **more}, edge)

    async def writes(self, customer: str = ANN, **item: Any) -> str:
        whole = item or {"type": "text", "text": {"body": "hello"}}
        status, answer = await self.post(f"/sandbox/customers/{customer}/messages", whole)
        assert status == 200, answer
        return str(answer["id"])

    async def advance(self, seconds: float) -> None:
        assert (await self.post("/sandbox/clock", {"advance_seconds": seconds}))[0] == 200

    async def trouble(self, kind: str, **more: Any) -> None:
        assert (await self.post("/sandbox/faults", {"kind": kind, **more}))[0] == 200

    async def settled(self) -> list[dict[str, Any]]:
        """All statuses, when every callback has been acknowledged."""
        await self.simulator.callbacks.settled()
        return self.receiver.statuses


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/webhooks/whatsapp", receiver.callback)
    app.router.add_get("/webhooks/whatsapp", receiver.verification)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/webhooks/whatsapp"))
        yield receiver


@asynccontextmanager
async def running(receiver: Receiver, data_dir: Path | None = None) -> AsyncIterator[Sandbox]:
    """A simulator from start to stop."""
    began = [NOW]
    clock = SandboxClock(data_dir / "clock" if data_dir else None, real=lambda: began[0])
    simulator = create_simulator(callback_url=receiver.url, clock=clock, data_dir=data_dir)
    app = graph_app(simulator)
    add_controls(app, simulator)
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    async with serving(app, simulator), aiohttp.ClientSession(headers=headers) as http:
        yield Sandbox(simulator, receiver, http, began)


@pytest.fixture
async def sandbox(receiver: Receiver) -> AsyncIterator[Sandbox]:
    async with running(receiver) as sandbox:
        yield sandbox


@pytest.fixture
def restart(receiver: Receiver, tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Sandbox]]:
    """Each call runs a simulator on the same data directory."""
    return lambda: running(receiver, tmp_path)
