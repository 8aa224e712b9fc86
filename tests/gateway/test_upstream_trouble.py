"""An upstream that refuses, babbles or redirects, and a database that goes away during intake."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from running import ANN, Running, until

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}


async def test_what_never_left_is_failed_safely_and_may_be_tried_again(start: Any) -> None:
    async with start(upstream_url=f"http://127.0.0.1:{unused_port()}") as running:
        status, answer = await running.send(TEMPLATE)
        assert (status, answer["error"]["code"]) == (503, 131016)
        assert running.headers["Ledgerline-Outcome"] == "failed"
        assert int(running.headers["Retry-After"]) > 0
        [failed] = await running.events("SendFailed")

    assert failed["data"]["safe"] is True


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, ""), (200, "<html>"), (502, "Bad Gateway"), (302, ""), (200, '{"messages":[]}')],
)
async def test_an_answer_nobody_can_read_is_unknown_and_asked_for_once(
    start: Any, status: int, body: str
) -> None:
    posts = []

    async def babble(request: web.Request) -> web.Response:
        posts.append(request.path)
        return web.Response(status=status, text=body, headers={"Location": "/again"})

    app = web.Application()
    app.router.add_post("/{path:.*}", babble)
    async with (
        TestServer(app) as server,
        start(upstream_url=f"http://127.0.0.1:{server.port}") as running,
    ):
        answered, answer = await running.send(TEMPLATE)
        assert (answered, answer["error"]["code"]) == (500, 131000)
        assert len(await running.events("SendUnknown")) == 1

    assert len(posts) == 1


async def test_a_callback_comes_again_when_the_database_was_away(
    running: Running, database: str, cluster: str
) -> None:
    value = {
        "metadata": {"phone_number_id": "106000000000001"},
        "messages": [{"id": "wamid.A", "from": ANN, "type": "text", "text": {"body": "hi"}}],
    }
    body = {"entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}
    name = urlsplit(database).path.removeprefix("/")
    admin = await asyncpg.connect(cluster)
    try:
        await admin.execute(f"alter database {name} allow_connections false")
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        assert await running.callback(body) == 503
        assert int(running.headers["Retry-After"]) > 0
    finally:
        await admin.execute(f"alter database {name} allow_connections true")
        await admin.close()

    async def stored() -> bool:
        return await running.callback(body) == 200

    await until(stored)
    assert len(await running.events("MessageReceived")) == 1
