"""The yardsticks: the least that a webhook handler and a relay must do, in aiohttp; an upstream, and a sink.

python -m benchmarks.bare webhook|relay|upstream|sink PORT [UPSTREAM_PORT]
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import count
from typing import ClassVar, cast

import aiohttp
import orjson
import uvloop
from aiohttp import web

SECRET = b"bench-secret"


async def webhook(request: web.Request) -> web.Response:
    """Check the signature, parse, answer."""
    body = await request.read()
    expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
        return web.Response(status=401)
    orjson.loads(body)
    return web.Response(text="stored")


def relay(upstream: str) -> web.Application:
    """Pass a send on and its answer back."""
    session = web.AppKey("session", aiohttp.ClientSession)

    async def messages(request: web.Request) -> web.Response:
        body = orjson.dumps(orjson.loads(await request.read()))
        headers = {"Content-Type": "application/json", "Authorization": "Bearer token"}
        async with request.app[session].post(upstream + request.path, data=body, headers=headers) as answer:
            return web.Response(
                body=await answer.read(), status=answer.status, content_type="application/json"
            )

    async def client(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as app[session]:
            yield

    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_post(r"/{version:v\d+\.\d+}/{line:\d+}/messages", messages)
    return app


class Upstream(asyncio.Protocol):
    """Accepts every send at once, at the least cost."""

    ids = count()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        body = self.answer(head, rest[:length])
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )

    def answer(self, head: bytes, body: bytes) -> bytes:  # noqa: ARG002 - of a sink
        """The body of an answer."""
        return b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.bench%d"}]}' % next(self.ids)


class Sink(Upstream):
    """A destination: counts what it takes and, on /late, how late; GET tells both since it was asked last."""

    taken = 0
    late: ClassVar[list[float]] = []

    def answer(self, head: bytes, body: bytes) -> bytes:
        """What was taken, where that is asked."""
        if head.startswith(b"GET"):
            told = orjson.dumps({"taken": Sink.taken, "late": Sink.late})
            Sink.taken = 0
            Sink.late.clear()
            return told
        Sink.taken += 1
        if head.startswith(b"POST /late"):
            recorded = datetime.fromisoformat(orjson.loads(body)["data"]["recorded_at"])
            Sink.late.append(time.time() - recorded.timestamp())
        return b"{}"


async def _serve(protocol: type[Upstream], port: int) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Serve one of them until killed."""
    uvloop.install()
    what, port = sys.argv[1], int(sys.argv[2])
    if protocol := {"upstream": Upstream, "sink": Sink}.get(what):
        asyncio.run(_serve(protocol, port))
        return
    if what == "relay":
        app = relay(f"http://127.0.0.1:{sys.argv[3]}")
    else:
        app = web.Application()
        app.router.add_post("/webhooks/whatsapp", webhook)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main()
