"""Destinations that remember what they were sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from running import Running

Verdict = Callable[["Delivery"], web.Response | int]


@dataclass(frozen=True)
class Delivery:
    """One POST."""

    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def event(self) -> str:
        return self.headers["ledgerline-event"]


@dataclass
class Sink:
    """A destination: answers as `verdict` says, and remembers."""

    url: str = ""
    got: list[Delivery] = field(default_factory=list)
    taken: list[Delivery] = field(default_factory=list)
    verdict: Verdict = lambda _: 200
    pause: float = 0.0
    transports: list[asyncio.Transport] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if isinstance(request.transport, asyncio.Transport):
            self.transports.append(request.transport)
        delivery = Delivery(await request.read(), headers)
        self.got.append(delivery)
        await asyncio.sleep(self.pause)
        said = self.verdict(delivery)
        answer = web.Response(status=said) if isinstance(said, int) else said
        if answer.status < 300:
            self.taken.append(delivery)
        return answer

    def hang_up(self) -> None:
        """Close all connections."""
        for transport in self.transports:
            transport.close()

    def texts(self) -> list[str]:
        """Of the messages it took, in order."""
        return [text for one in self.taken if (text := text_of(one))]


def text_of(one: Delivery) -> str | None:
    """What a message delivered in WhatsApp's format says."""
    for message in one.json["entry"][0]["changes"][0]["value"].get("messages", []):
        return str(message["text"]["body"])
    return None


@asynccontextmanager
async def sink(**given: Any) -> AsyncIterator[Sink]:
    """A destination on a port of its own."""
    found = Sink(**given)
    app = web.Application()
    app.router.add_post("/{path:.*}", found.answer)
    async with TestServer(app) as server:
        found.url = f"http://127.0.0.1:{server.port}/hook"
        yield found


async def added(gateway: Running, one: Sink, **given: Any) -> dict[str, Any]:
    """A destination made by the API."""
    body = {"name": "crm", "url": one.url, "format": "whatsapp"} | given
    status, made = await gateway.post("/api/destinations", body)
    assert status == 201, made
    return dict(made)


@pytest.fixture
async def hook() -> AsyncIterator[Sink]:
    """One destination."""
    async with sink() as one:
        yield one
