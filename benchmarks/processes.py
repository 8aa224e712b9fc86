"""The processes of a benchmark: the gateway as it is served, and the yardsticks."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bare import SECRET
from benchmarks.traffic import LINE


def environment(database_url: str, key: str) -> dict[str, str]:
    """What a gateway needs to serve the traffic."""
    return os.environ | {
        "LEDGERLINE_DATABASE_URL": database_url,
        "LEDGERLINE_MASTER_KEY": key,
        "LEDGERLINE_ACCESS_TOKEN": "token",
        "LEDGERLINE_LINES": LINE,
        "LEDGERLINE_APP_SECRETS": SECRET.decode(),
        "LEDGERLINE_VERIFY_TOKEN": "bench",
        "LEDGERLINE_API_KEYS": "bench:bench-key:send+read+admin",
        "LEDGERLINE_DESTINATIONS_PRIVATE": "127.0.0.1",
        "LEDGERLINE_TIME_ZONE": "UTC",
    }


@contextlib.contextmanager
def gateway(environment: dict[str, str], *words: str) -> Iterator[tuple[int, int]]:
    """`ledgerline serve` with more words: its port and process."""
    port = _free_port()
    command = [f"{Path(sys.executable).parent}/ledgerline", "serve", "--port", str(port), *words]
    with _process(command, port, environment) as pid:
        yield port, pid


@contextlib.contextmanager
def bare(what: str, upstream: int | None = None) -> Iterator[int]:
    """A yardstick (bare.py): its port."""
    port = _free_port()
    more = [str(upstream)] if upstream else []
    with _process([sys.executable, "-m", "benchmarks.bare", what, str(port), *more], port, os.environ.copy()):
        yield port


@contextlib.contextmanager
def _process(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        _until_listening(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} ended before it listened")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
