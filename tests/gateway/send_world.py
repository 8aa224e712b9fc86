"""Two gateways on one log, the simulator, and all that comes between them and WhatsApp under control."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from running import MASTER_KEY, Running, listening
from send_oracle import Trouble

from gateway import sandbox as sandboxed
from gateway.app import Databases, create_app
from gateway.sandbox import controls, graph
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.faults import Fault
from gateway.sandbox.simulator import Simulator, create_simulator
from gateway.sends import settler
from gateway.settings.loading import load

WEBHOOK = "/webhooks/whatsapp"
SIGNATURE = "X-Hub-Signature-256"
TOO_SLOW = 1.5
IN_A_HURRY = 0.7
ENOUGH = 20.0
"""Seconds in which a status that was told certainly settles a send."""


@dataclass(frozen=True)
class Answer:
    """What a caller gets."""

    status: int
    headers: Any
    body: Any

    @property
    def outcome(self) -> str | None:
        return self.headers.get("Ledgerline-Outcome")

    @property
    def send_id(self) -> str | None:
        return self.headers.get("Ledgerline-Send-Id")

    @property
    def is_replay(self) -> bool:
        return self.headers.get("Idempotent-Replayed") == "true"

    @property
    def is_not_taken(self) -> bool:
        return self.status == 503 and "Retry-After" in self.headers and self.outcome is None

    @property
    def code(self) -> int | None:
        return self.body["error"]["code"] if "error" in self.body else None


@dataclass(frozen=True)
class Letter:
    """A signed callback."""

    body: bytes
    signature: str


@dataclass
class Post:
    """Carries WhatsApp's callbacks: to either gateway, now or when it is told to."""

    heard: Callable[[Any], None]
    """Called with each callback that a gateway acknowledged."""
    gateways: list[Running] = field(default_factory=list)
    goes_to: int = 0
    holding: bool = False
    held: list[Letter] = field(default_factory=list)
    delivered: list[Letter] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        letter = Letter(await request.read(), request.headers[SIGNATURE])
        if self.holding:
            self.held.append(letter)
            return web.Response()
        return web.Response(status=await self.deliver(letter, self.goes_to))

    async def deliver(self, letter: Letter, goes_to: int) -> int:
        gateway = self.gateways[goes_to]
        headers = {SIGNATURE: letter.signature}
        answer = await patiently(lambda: ask(gateway, "POST", WEBHOOK, letter.body, headers))
        if answer.status == 200:
            self.delivered.append(letter)
            self.heard(orjson.loads(letter.body))
        return answer.status


@dataclass
class Door:
    """WhatsApp's: every POST of a send that reaches it, and what may go wrong before it is read."""

    knocked: list[str] = field(default_factory=list)
    """The callback data of each."""
    trouble: str | None = None

    @web.middleware
    async def through(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.endswith("/messages") or request.method != "POST":
            return await handler(request)
        self.knocked.append(orjson.loads(await request.read())["biz_opaque_callback_data"])
        trouble, self.trouble = self.trouble, None
        if trouble == "lost request":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if trouble == "no Graph answer":
            return web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html")
        return await handler(request)


@dataclass
class World:
    """All of it."""

    gateways: list[Running]
    simulator: Simulator
    clock: SandboxClock
    post: Post
    door: Door

    async def sends(self, nth: int, body: Any, key: str | None, *, turned: bool = False) -> Answer:
        data = orjson.dumps(dict(reversed(body.items())), option=orjson.OPT_INDENT_2) if turned else body
        headers = {} if key is None else {"Idempotency-Key": key}
        path = f"/v26.0/{sandboxed.LINE}/messages"
        return await patiently(lambda: ask(self.gateways[nth], "POST", path, data, headers))

    async def control(self, path: str, body: Any) -> Any:
        answer = await ask(self.gateways[0], "POST", f"/sandbox/{path}", body)
        assert answer.status == 200, answer
        return answer.body

    async def asks(self, nth: int, path: str, body: Any) -> Answer:
        return await ask(self.gateways[nth], "POST", path, body)

    async def get(self, nth: int, path: str) -> Answer:
        return await ask(self.gateways[nth], "GET", path)

    async def events(self, *topics: str) -> list[dict[str, Any]]:
        return await self.gateways[0].events(*topics)

    @contextmanager
    def unreachable(self, nth: int) -> Any:
        """Nobody listens where this gateway believes WhatsApp to be."""
        upstream = self.gateways[nth].gateway.upstream
        url, upstream._url = upstream._url, f"http://127.0.0.1:{unused_port()}"
        yield
        upstream._url = url

    @contextmanager
    def in_a_hurry(self, nth: int) -> Any:
        """This gateway does not wait for WhatsApp as long as usual."""
        session = self.gateways[nth].gateway.upstream._session
        usual, session._timeout = session._timeout, aiohttp.ClientTimeout(total=IN_A_HURRY)
        yield
        session._timeout = usual


@asynccontextmanager
async def troubled(
    world: World, nth: int, trouble: Trouble, style: str, *, patient: bool
) -> AsyncIterator[None]:
    """What is sent over the `nth` gateway has this trouble; its callbacks come in this style."""
    faults, post = world.simulator.faults, world.post
    post.goes_to, post.holding = nth, style == "held"
    told_soon = trouble.name in ("lost answer", "slow") and style != "held"
    settler.PATIENCE = ENOUGH if told_soon and patient else 0.0  # type: ignore[misc]
    around = nullcontext()
    match trouble.name:
        case "none":
            pass
        case "unreachable":
            around = world.unreachable(nth)
        case "slow":
            around = world.in_a_hurry(nth)
            faults.add(Fault("delay", seconds=TOO_SLOW))
        case "lost answer":
            faults.add(Fault("drop_after_accept"))
        case "sync_131047":
            faults.add(Fault("sync_131047"))
        case "error":
            faults.add(Fault("error", code=trouble.code, http_status=trouble.http_status))
        case _:
            world.door.trouble = trouble.name
    if style in ("duplicate", "reorder"):
        faults.add(Fault(style, times=2))
    if style == "batch":
        faults.add(Fault("batch", times=2, seconds=0.2))
    with around:
        yield
    await world.simulator.callbacks.settled()
    faults.clear()
    post.holding, world.door.trouble = False, None


async def patiently(asks: Callable[[], Awaitable[Answer]]) -> Answer:
    """As whoever is told that nothing was taken, on a busy machine: again, when it says so.

    Where something was taken all the same, what is counted afterwards tells.
    """
    async with asyncio.timeout(ENOUGH):
        while (answer := await asks()).is_not_taken:  # noqa: ASYNC110 - it is the answer that changes
            await asyncio.sleep(int(answer.headers["Retry-After"]))
        return answer


async def ask(
    gateway: Running, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request; several may be on their way at once."""
    data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
    async with gateway.http.request(
        method, gateway.url + path, data=None if data is None else BytesIO(data), headers=headers
    ) as answer:
        read = await answer.read()
        return Answer(
            answer.status, answer.headers, orjson.loads(read) if "json" in answer.content_type else None
        )


@asynccontextmanager
async def world(
    databases: Callable[[], AbstractAsyncContextManager[str]], heard: Callable[[Any], None]
) -> AsyncIterator[World]:
    """Everything fresh, and gone afterwards."""
    clock, post, door = SandboxClock(), Post(heard), Door()
    simulator = create_simulator(callback_url="http://127.0.0.1:9", clock=clock)
    upstream = graph.graph_app(simulator)
    upstream.middlewares.insert(0, door.through)
    carrier = web.Application()
    carrier.router.add_post(WEBHOOK, post.take)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(databases())
        url = await stack.enter_async_context(graph.serving(upstream, simulator))
        for _ in range(2):
            settings = load(**dict(sandboxed.SETTINGS) | {"upstream_url": url, "waba": None})
            where = Databases(database, database, (base64.b64decode(MASTER_KEY),))
            app = create_app(settings, where, clock=clock.now)
            controls.add_controls(app, simulator)
            post.gateways.append(await stack.enter_async_context(listening(app, simulator)))
        server = await stack.enter_async_context(TestServer(carrier))
        simulator.callbacks.url = str(server.make_url(WEBHOOK))
        yield World(post.gateways, simulator, clock, post, door)
        await asyncio.wait_for(simulator.callbacks.settled(), 20)
