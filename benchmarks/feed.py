"""What readers of the feed that read nothing cost those who write."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

READERS = 50
FILLING = 2.0
"""Seconds until every buffer of a reader that sleeps is full."""
REQUEST = (
    b"GET /api/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer bench-key\r\n"
    b"Accept: text/event-stream\r\n\r\n"
)


def with_and_without(port: int, rate: Callable[[], float]) -> tuple[float, float]:
    """`rate` with readers that ask for the whole log and sleep, and right after that without any."""
    with contextlib.ExitStack() as stack:
        for _ in range(READERS):
            stack.enter_context(_asleep(port))
        time.sleep(FILLING)
        slowed = rate()
    return slowed, rate()


@contextlib.contextmanager
def _asleep(port: int) -> Iterator[None]:
    with socket.create_connection(("127.0.0.1", port)) as reader:
        reader.sendall(REQUEST)
        if not reader.recv(16).startswith(b"HTTP/1.1 200"):
            raise RuntimeError("the feed was not opened")
        yield
