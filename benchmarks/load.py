"""A small HTTP/1.1 load generator: keep-alive connections, requests made beforehand, answers only counted.

It costs far less than a client library, so that on two cores the server is what is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import uvloop


class _Connection(asyncio.Protocol):
    """Sends the next request when an answer is complete."""

    def __init__(
        self, requests: Iterator[bytes], done: asyncio.Future[None], statuses: dict[int, int]
    ) -> None:
        self._requests = requests
        self._done = done
        self._statuses = statuses
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a stream")
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.lower().startswith(b"content-length:"))
        if len(rest) < length:
            return
        status = int(lines[0][9:12])
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._buffer = rest[length:]
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed before the last answer"))


async def _run(port: int, requests: Iterable[bytes], connections: int) -> tuple[float, dict[int, int]]:
    loop = asyncio.get_running_loop()
    iterator, statuses = iter(requests), dict[int, int]()
    done = [loop.create_future() for _ in range(connections)]
    started = time.perf_counter()
    for future in done:
        await loop.create_connection(partial(_Connection, iterator, future, statuses), "127.0.0.1", port)
    await asyncio.gather(*done)
    return time.perf_counter() - started, statuses


def rate(port: int, requests: Sequence[bytes], connections: int, expected: int = 200) -> float:
    """Requests a second; every answer must have the expected status."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took, statuses = runner.run(_run(port, requests, connections))
    if set(statuses) != {expected}:
        raise AssertionError(f"expected only {expected}, got {statuses}")
    return len(requests) / took


def pour(port: int, requests: Iterable[bytes], connections: int) -> None:
    """Send requests, whatever is answered, until they end or this process does."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(port, requests, connections))


def post(path: str, body: bytes, **headers: str) -> bytes:
    """The bytes of one POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
