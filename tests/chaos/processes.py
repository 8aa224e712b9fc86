"""Gateways as processes of their own, to be killed, and the network between them and WhatsApp."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from killed import start
from running import LINE, MASTER_KEY, until

from gateway import sandbox as sandboxed
from gateway.sandbox import graph
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.simulator import Simulator, create_simulator

OK = 200
SEND = f"/v26.0/{LINE}/messages"


@dataclass(slots=True)
class Answer:
    """What a caller heard."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def outcome(self) -> str | None:
        return self.headers.get("Ledgerline-Outcome")

    @property
    def send_id(self) -> str:
        return self.headers["Ledgerline-Send-Id"]


@dataclass(slots=True)
class Process:
    """A gateway that listens, until somebody kills it."""

    url: str
    process: BaseProcess
    http: aiohttp.ClientSession

    async def ask(self, path: str, body: Any = None, *, key: str | None = None) -> Answer | None:
        """POST, or GET without a body; None when the process died before it answered."""
        method = "GET" if body is None else "POST"
        headers = {"Idempotency-Key": key} if key else {}
        try:
            async with self.http.request(method, self.url + path, json=body, headers=headers) as answer:
                return Answer(answer.status, answer.headers, orjson.loads(await answer.read()))
        except aiohttp.ClientError:
            return None

    async def is_alive(self) -> bool:
        """Whether it answers; it must not have ended by itself."""
        assert self.process.exitcode in (None, -signal.SIGKILL)
        answer = await self.ask("/live")
        return answer is not None and answer.status == OK

    def kill(self) -> None:
        """Without warning."""
        self.process.kill()

    async def died(self) -> None:
        """Return once it was killed, by whomever."""
        await asyncio.to_thread(self.process.join, 30)
        assert self.process.exitcode == -signal.SIGKILL


class Network:
    """What lies between the gateways and WhatsApp; it may lose the next send, or its answer."""

    def __init__(self, whatsapp: str) -> None:
        self._whatsapp = whatsapp
        self._http = aiohttp.ClientSession()
        self.url = ""
        self.loses: str | None = None
        """`send` or `answer`: of the next send, once."""
        self.kills: Process | None = None
        """Who dies at that moment."""

    async def relay(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        loses = None
        if request.path.endswith("/messages"):
            loses, self.loses = self.loses, None
        if loses == "send":
            return self._lose(request)
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        async with self._http.request(
            request.method, self._whatsapp + request.path_qs, data=body, headers=headers
        ) as answer:
            said = await answer.read()
        if loses == "answer":
            return self._lose(request)
        return web.Response(body=said, status=answer.status, content_type=answer.content_type)

    def _lose(self, request: web.Request) -> web.StreamResponse:
        if self.kills is not None:
            self.kills.kill()
            self.kills = None
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    @classmethod
    @asynccontextmanager
    async def serving(cls, whatsapp: str) -> AsyncIterator[Network]:
        network = cls(whatsapp)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", network.relay)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            network.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield network
        finally:
            await runner.cleanup()
            await network._http.close()


@dataclass(slots=True)
class House:
    """One log, WhatsApp, the network to it, and a client; gateways come and go."""

    database: str
    simulator: Simulator
    network: Network
    http: aiohttp.ClientSession
    more: Mapping[str, str]
    """Settings beside the usual ones, or instead of them."""

    @asynccontextmanager
    async def gateway(self, at: str = "never", port: int | None = None) -> AsyncIterator[Process]:
        """A gateway that kills itself `at` a step (killed.py)."""
        port = port or free_port()
        words = ("serve", "--port", str(port))
        process = await asyncio.to_thread(start, words, self._settings(), at)
        try:
            gateway = Process(f"http://127.0.0.1:{port}", process, self.http)
            await until(gateway.is_alive, 60)
            yield gateway
        finally:
            process.kill()
            await asyncio.to_thread(process.join)

    def _settings(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database,
            "MASTER_KEY": MASTER_KEY,
            "UPSTREAM_URL": self.network.url,
            "UPSTREAM_TIMEOUT": "10",
            "LINES": LINE,
            "ACCESS_TOKEN": sandboxed.ACCESS_TOKEN,
            "APP_SECRETS": sandboxed.APP_SECRET,
            "VERIFY_TOKEN": sandboxed.VERIFY_TOKEN,
            "API_KEYS": f"chaos:{sandboxed.API_KEY}:send+read+content+admin",
            "TIME_ZONE": "UTC",
            **self.more,
        }


@asynccontextmanager
async def house(database: str, **more: str) -> AsyncIterator[House]:
    """Everything but the gateways."""
    simulator = create_simulator(callback_url="http://127.0.0.1:9", clock=SandboxClock())
    headers = {"Authorization": f"Bearer {sandboxed.API_KEY}"}
    async with (
        graph.serving(graph.graph_app(simulator), simulator) as whatsapp,
        Network.serving(whatsapp) as network,
        aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=30)) as http,
    ):
        yield House(database, simulator, network, http, more)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
