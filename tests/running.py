"""A whole gateway for each test: real PostgreSQL, real sockets, the simulator as WhatsApp."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import sandbox as sandboxed
from gateway.app import Databases, create_app
from gateway.gateway import GATEWAY, Gateway
from gateway.sandbox import controls, graph
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.simulator import Simulator, create_simulator
from gateway.settings import Settings
from gateway.settings.loading import load

LINE = sandboxed.LINE
ANN = "447700900123"
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass
class Running:
    """A gateway that listens, its simulator, and a client with the sandbox's key."""

    url: str
    gateway: Gateway
    simulator: Simulator
    http: aiohttp.ClientSession

    async def post(self, path: str, body: Any, **more: Any) -> tuple[int, Any]:
        """Status and body of a POST; headers are in `self.headers` afterwards."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        async with self.http.post(self.url + path, data=BytesIO(data), **more) as answer:
            self.headers = answer.headers
            return answer.status, _body(await answer.read())

    async def get(self, path: str, **query: Any) -> tuple[int, Any]:
        """Status and body of a GET."""
        async with self.http.get(self.url + path, params=query) as answer:
            self.headers = answer.headers
            return answer.status, _body(await answer.read())

    async def send(self, body: dict[str, Any], line: str = LINE, **more: Any) -> tuple[int, Any]:
        """POST to the Cloud face."""
        return await self.post(f"/v26.0/{line}/messages", body, **more)

    async def text(self, to: str = ANN, **more: Any) -> tuple[int, Any]:
        """Send a text."""
        body = {
            "messaging_product": "whatsapp",
            "to": f"+{to}",
            "type": "text",
            "text": {"body": "On its way."},
        }
        return await self.send(body | more)

    async def writes(self, customer: str = ANN, **message: Any) -> str:
        """A customer writes; returns the wamid once the gateway has it."""
        message = message or {"type": "text", "text": {"body": "Where is my order?"}}
        status, answer = await self.post(f"/sandbox/customers/{customer}/messages", message)
        assert status == 200, answer
        return str(answer["id"])

    async def callback(self, body: Any, secret: str = sandboxed.APP_SECRET) -> int:
        """POST a signed callback; returns the status."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        signature = "sha256=" + hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
        path = "/webhooks/whatsapp"
        status, _ = await self.post(path, data, headers={"X-Hub-Signature-256": signature})
        return status

    async def advance(self, seconds: int) -> None:
        """Move the clock of gateway and simulator."""
        status, answer = await self.post("/sandbox/clock", {"advance_seconds": seconds})
        assert status == 200, answer

    async def accepted(self) -> list[dict[str, Any]]:
        """What WhatsApp accepted."""
        _, answer = await self.get("/sandbox/messages")
        return list(answer["messages"])

    async def settled(self) -> None:
        """Every callback is acknowledged and everything is projected."""
        await self.simulator.callbacks.settled()
        await self.gateway.runner.catch_up()

    async def events(self, *topics: str) -> list[dict[str, Any]]:
        """The log, or the events of these topics."""
        query = [("topic", topic) for topic in topics] + [("limit", "1000")]
        async with self.http.get(f"{self.url}/api/events", params=query) as answer:
            return list(orjson.loads(await answer.read())["events"])


def _body(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.decode()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(database: str, tmp_path: Path) -> Start:
    """Starts a gateway on the test's database; arguments are settings."""
    return lambda **given: started(database, tmp_path, **given)


@asynccontextmanager
async def started(database: str, directory: Path, **given: Any) -> AsyncIterator[Running]:
    """A gateway on this database, with the sandbox's settings and those given."""
    clock = SandboxClock(directory / "sandbox-clock")
    simulator = create_simulator(callback_url="http://127.0.0.1:9", clock=clock)
    async with graph.serving(graph.graph_app(simulator), simulator) as upstream:
        # Without an account's id nothing asks for its templates, so the log holds what a test does.
        own = {"upstream_url": upstream, "waba": None}
        settings: Settings = load(**dict(sandboxed.SETTINGS) | own | given)
        databases = Databases(database, database, (base64.b64decode(MASTER_KEY),))
        app = create_app(settings, databases, clock=clock.now)
        controls.add_controls(app, simulator)
        async with listening(app, simulator) as running:
            yield running


@asynccontextmanager
async def listening(app: web.Application, simulator: Simulator) -> AsyncIterator[Running]:
    """The application on a port of its own; the simulator calls back to it."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        simulator.callbacks.url = f"{url}/webhooks/whatsapp"
        headers = {"Authorization": f"Bearer {sandboxed.API_KEY}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            yield Running(url, app[GATEWAY], simulator, http)
    finally:
        await runner.cleanup()


@pytest.fixture
async def running(start: Start) -> AsyncIterator[Running]:
    """A gateway with the sandbox's settings."""
    async with start() as gateway:
        yield gateway


@asynccontextmanager
async def whatsapp(handler: Handler) -> AsyncIterator[tuple[str, list[Any]]]:
    """A server in WhatsApp's place: its URL, and the bodies posted to it."""
    posted: list[Any] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.can_read_body:
            posted.append(await request.json())
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}", posted


async def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait for what becomes true."""
    async with asyncio.timeout(seconds):
        while not (value := await condition()):  # noqa: ASYNC110 - any condition, over HTTP as well
            await asyncio.sleep(0.02)
        return value
