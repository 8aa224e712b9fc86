"""Destinations whose answers are broken, late or without end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.deliveries import poster
from gateway.deliveries.guard import RECEIVED, Guard, networks
from gateway.deliveries.poster import Answer, Poster

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GUARD = Guard(networks(["127.0.0.0/8"]))


@asynccontextmanager
async def posting(talk: Talk) -> AsyncIterator[tuple[Poster, list[int]]]:
    """A poster to a server that talks so once it has the head of a request; how often it did."""
    talked: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            talked.append(1)
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    found = Poster(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, GUARD)
    try:
        yield found, talked
    finally:
        await found.close()
        server.close()


async def posted(talk: Talk) -> Answer:
    async with posting(talk) as (found, _):
        return await found.post(b"{}", {})


def says(data: bytes) -> Talk:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return talk


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello",
        b"Content-Length: 50\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
)
async def test_a_status_counts_whatever_becomes_of_the_body(rest: bytes) -> None:
    answer = await posted(says(b"HTTP/1.1 200 OK\r\n" + rest))

    assert (answer.status, answer.error) == (200, None)


async def test_an_answer_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster, "TIMEOUT", 1.0)

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 100)
            await writer.drain()

    assert (await posted(talk)).error == "TimeoutError"


def test_little_of_an_answer_is_read_at_once() -> None:
    family, kind = socket.AF_INET, socket.SOCK_STREAM
    with GUARD.socket_for(tls=False)((family, kind, 0, "", ("127.0.0.1", 9))) as made:
        # The kernel doubles it for its own needs.
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * RECEIVED


async def test_whoever_hangs_up_late_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster, "IDLE_FAILS_WITHIN", 0.0)

    async with posting(says(b"")) as (found, talked):
        answer = await found.post(b"{}", {})

    assert answer.error == "ServerDisconnectedError"
    assert len(talked) == 1


async def test_a_host_that_can_be_none_fails_as_one_that_is_unknown() -> None:
    found = Poster("https://a..b/", {}, GUARD)

    assert (await found.post(b"{}", {})).error is not None
    await found.close()


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64 + ".example", "xn--", "127.0.0.1\\.example"])
async def test_a_host_that_can_be_none_is_refused(host: str) -> None:
    assert await GUARD.refusal(f"https://{host}/") is not None
