"""Mark-as-read over the on-premises face: no decision, no event, repeated once on a lost connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from running import LINE, Running, Start
from yarl import URL

META = {"api_status": "stable", "version": "2.53.1"}
MESSAGE_ID = "wamid.HBgMNDQ/3NzA+OTAw=="
ESCAPED = "wamid.HBgMNDQ%2F3NzA%2BOTAw%3D%3D"


async def mark(running: Running, body: Any, message_id: str = MESSAGE_ID) -> tuple[int, Any]:
    """PUT to a message of the on-premises face."""
    url = URL(f"{running.url}/v1/messages/{message_id}", encoded=True)
    async with running.http.put(url, json=body) as answer:
        running.headers = answer.headers
        return answer.status, await answer.json()


@dataclass
class Upstream:
    """WhatsApp's place: loses the first `lost` requests, then always gives this answer."""

    lost: int = 0
    status: int = 200
    answer: Any = field(default_factory=lambda: {"success": True})
    asked: list[tuple[str, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serves; gives its URL."""
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)
        async with TestServer(app) as server:
            yield f"http://127.0.0.1:{server.port}"

    async def _handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, await request.json()))
        if len(self.asked) <= self.lost:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self.answer, status=self.status)


@pytest.mark.parametrize("written", [MESSAGE_ID, ESCAPED])
async def test_a_read_reaches_whatsapp_in_its_shape_and_leaves_no_event(start: Start, written: str) -> None:
    upstream = Upstream()
    async with upstream.listening() as url, start(upstream_url=url) as gateway:
        assert await mark(gateway, {"status": "read", "to": "447700900123"}, written) == (200, {"meta": META})
        assert upstream.asked == [
            (
                f"/v26.0/{LINE}/messages",
                {"messaging_product": "whatsapp", "status": "read", "message_id": MESSAGE_ID},
            )
        ]
        assert await gateway.events() == []


async def test_the_simulator_takes_it(running: Running) -> None:
    message_id = await running.writes()
    assert await mark(running, {"status": "read"}, message_id) == (200, {"meta": META})


@pytest.mark.parametrize(("lost", "status"), [(1, 200), (2, 503)])
async def test_a_lost_connection_is_tried_once_more(start: Start, lost: int, status: int) -> None:
    upstream = Upstream(lost=lost)
    async with upstream.listening() as url, start(upstream_url=url) as gateway:
        answered, answer = await mark(gateway, {"status": "read"})
        assert (answered, len(upstream.asked)) == (status, 2)
        assert ("errors" in answer) == (status == 503)


async def test_without_a_connection_it_may_be_repeated(start: Start) -> None:
    async with start(upstream_url=f"http://127.0.0.1:{unused_port()}") as gateway:
        status, answer = await mark(gateway, {"status": "read"})
        assert (status, answer["errors"][0]["code"]) == (503, 1016)
        assert gateway.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("theirs", "body", "status", "code"),
    [
        (400, {"error": {"code": 131009, "message": "no such message"}}, 400, 1009),
        (400, {"error": {"code": 130429, "message": "slowly"}}, 429, 1015),
        (401, {"error": {"code": 190, "message": "expired"}}, 500, 1000),
        (500, {"error": {"code": 131000, "message": "wrong"}}, 500, 1000),
        (502, ["a proxy's words"], 500, 1000),
    ],
)
async def test_what_whatsapp_says_against_it_is_said_in_the_old_dialect(
    start: Start, theirs: int, body: Any, status: int, code: int
) -> None:
    async with Upstream(status=theirs, answer=body).listening() as url, start(upstream_url=url) as gateway:
        answered, answer = await mark(gateway, {"status": "read"})
        assert (answered, answer["errors"][0]["code"]) == (status, code)
        assert answer["meta"] == META


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [([], 1025, "object"), ({}, 1008, "status"), ({"status": "seen"}, 1009, "status")],
)
async def test_what_is_malformed_names_its_field(running: Running, body: Any, code: int, named: str) -> None:
    status, answer = await mark(running, body)
    [error] = answer["errors"]
    assert (status, error["code"]) == (400, code)
    assert named in error["details"]
