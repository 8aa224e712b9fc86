"""Several gateways on one port, a process each: what one core can't do, and one crash shall not stop.

The kernel spreads connections over them (SO_REUSEPORT). They share the log and a folder of metrics.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Final

from prometheus_client import multiprocess

from gateway.cli.terminal import CannotStartError, say

POLL: Final = 1.0
"""Seconds between two looks whether all are alive."""
TOO_SOON: Final = 5.0
"""Seconds; a worker that ends before has something that a new one would have too."""


def supervise(count: int, work: Callable[..., None], host: str, port: int, *arguments: object) -> None:
    """Run `work(host, port, *arguments)` in `count` processes until Ctrl-C or SIGTERM; begin again what dies.

    `work` is named by its module, and is told to stop by SIGTERM. Raises CannotStartError.
    """
    _check(host, port)
    with _shared_metrics():
        workers = _Workers(work, (host, port, *arguments))
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, lambda *_: workers.stop())
        for _ in range(count):
            workers.begin()
        workers.watch()
    if workers.broken:
        raise CannotStartError("a worker ended as soon as it had begun; its own words stand above")


class _Workers:
    def __init__(self, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
        self._work = work
        self._arguments = arguments
        self._running: dict[SpawnProcess, float] = {}
        self._stopping = False
        self.broken = False

    def begin(self) -> None:
        process = multiprocessing.get_context("spawn").Process(target=self._work, args=self._arguments)
        process.start()
        self._running[process] = time.monotonic()
        if self._stopping:  # told while this one was being begun
            process.terminate()

    def stop(self) -> None:
        self._stopping = True
        for process in self._running:
            process.terminate()

    def watch(self) -> None:
        """Return when all have ended."""
        while self._running:
            # A sentinel may stay silent: the database that a worker began has inherited its other end.
            wait([process.sentinel for process in self._running], timeout=POLL)
            for process in [one for one in self._running if not one.is_alive()]:
                since = self._running.pop(process)
                if process.pid:
                    multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call] # untyped there
                if not self._stopping:
                    self._replace(process, time.monotonic() - since)

    def _replace(self, process: SpawnProcess, lived: float) -> None:
        say(f"worker {process.pid} ended with {process.exitcode}")
        if lived < TOO_SOON:
            self.broken = True
            self.stop()
        else:
            self.begin()


@contextlib.contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which the workers sum up their metrics, whichever of them is asked (prometheus_client)."""
    with tempfile.TemporaryDirectory(prefix="ledgerline-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def _check(host: str, port: int) -> None:
    """With SO_REUSEPORT a taken port is no error any more."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStartError(f"port {port} on {host} can't be listened on ({error.strerror})") from None
