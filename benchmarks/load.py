"""A small HTTP/1.1 load generator: keep-alive connections, requests made beforehand, answers only counted.

It costs far less than a client library, so that on two cores the server is what is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop


@dataclass(slots=True)
class Answers:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    """Seconds that each request took."""
    took: float = 0.0
    """Seconds for all."""


class _Connection(asyncio.Protocol):
    """Sends the next request when an answer is complete, and at least `pause` seconds after the last."""

    def __init__(
        self, requests: Iterator[bytes], done: asyncio.Future[None], answers: Answers, pause: float
    ) -> None:
        self._requests = requests
        self._done = done
        self._answers = answers
        self._pause = pause
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
        else:
            self._sent = time.perf_counter()
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
        took = time.perf_counter() - self._sent
        self._answers.waits.append(took)
        self._answers.statuses[int(lines[0][9:12])] += 1
        self._buffer = rest[length:]
        if took < self._pause:
            asyncio.get_running_loop().call_later(self._pause - took, self._next)
        else:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed before the last answer"))


async def _run(port: int, requests: Iterable[bytes], connections: int, a_second: float | None) -> Answers:
    loop = asyncio.get_running_loop()
    iterator, answers = iter(requests), Answers()
    pause = connections / a_second if a_second else 0.0
    done = [loop.create_future() for _ in range(connections)]
    started = time.perf_counter()
    for future in done:
        caller = partial(_Connection, iterator, future, answers, pause)
        await loop.create_connection(caller, "127.0.0.1", port)
        await asyncio.sleep(pause / connections)
    await asyncio.gather(*done)
    answers.took = time.perf_counter() - started
    return answers


def run(port: int, requests: Iterable[bytes], connections: int, *, a_second: float | None = None) -> Answers:
    """Send all requests, `a_second` of them where that is given; each must be answered 200."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answers = runner.run(_run(port, requests, connections, a_second))
    if set(answers.statuses) != {200}:
        raise AssertionError(f"expected only 200, got {answers.statuses}")
    return answers


def rate(port: int, requests: Sequence[bytes], connections: int) -> float:
    """Requests a second; each must be answered 200."""
    return len(requests) / run(port, requests, connections).took


def pour(port: int, requests: Iterable[bytes], connections: int) -> None:
    """Send requests, whatever is answered, until they end or this process does."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(port, requests, connections, None))


def post(path: str, body: bytes, **headers: str) -> bytes:
    """The bytes of one POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
