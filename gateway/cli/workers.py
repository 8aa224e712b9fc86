"""Several gateways on one port, a process each: what one core can't do, and one crash shall not stop.

The kernel spreads connections over them (SO_REUSEPORT). They share the log and a folder of metrics.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Final, TypeAlias

from prometheus_client import multiprocess

from gateway.cli.terminal import CannotStartError, say

Flag: TypeAlias = "ctypes.c_bool"
"""Memory that all processes see."""

POLL: Final = 0.5
"""Seconds between two looks whether all are alive."""
PAUSE: Final = 2.0
"""Seconds before a worker takes the place of one that died: what it died of may last."""


def supervise(count: int, work: Callable[..., None], host: str, port: int, *arguments: object) -> None:
    """Run `work(listening, host, port, *arguments)` in `count` processes until Ctrl-C or SIGTERM.

    `work` is named by its module, sets `listening.value` when it does, and is told to stop by SIGTERM. One
    that dies is begun again, but where none has listened yet: then nobody will. Raises CannotStartError.
    """
    _check(host, port)
    with _shared_metrics():
        workers = _Workers(work, (host, port, *arguments), said=f"http://{host}:{port} with {count} workers")
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, lambda *_: workers.stop())
        for _ in range(count):
            workers.begin()
        workers.watch()
    if workers.broken:
        raise CannotStartError("a worker ended before any could listen; its own words stand above")


class _Workers:
    def __init__(self, work: Callable[..., None], arguments: tuple[object, ...], *, said: str) -> None:
        """`said`: where they listen, and how many."""
        self._work = work
        self._processes = multiprocessing.get_context("spawn")
        # Without a lock, which a worker that is killed could keep.
        self._listening = self._processes.RawValue(ctypes.c_bool, False)  # noqa: FBT003 - the first value
        self._arguments = (self._listening, *arguments)
        self._said: str | None = said
        self._running: set[SpawnProcess] = set()
        self._stopping = threading.Event()
        self.broken = False

    def begin(self) -> None:
        process = self._processes.Process(target=self._work, args=self._arguments)
        process.start()
        self._running.add(process)
        if self._stopping.is_set():  # told while this one was being begun
            process.terminate()

    def stop(self) -> None:
        self._stopping.set()
        for process in self._running:
            process.terminate()

    def watch(self) -> None:
        """Return when all have ended."""
        while self._running:
            # A sentinel may stay silent: the database that a worker began has inherited its other end.
            wait([process.sentinel for process in self._running], timeout=POLL)
            self._tell()
            for process in [one for one in self._running if not one.is_alive()]:
                self._running.remove(process)
                if process.pid:
                    multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call] # untyped there
                if not self._stopping.is_set():
                    self._replace(process)

    def _tell(self) -> None:
        if self._listening.value and self._said is not None:
            say(f"Ledgerline listens on {self._said}")
            self._said = None

    def _replace(self, process: SpawnProcess) -> None:
        say(f"worker {process.pid} ended with {process.exitcode}")
        if not self._listening.value:
            self.broken = True
            self.stop()
        elif not self._stopping.wait(PAUSE):
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


def unbound(host: str, port: int, error: OSError) -> str:
    """Why a port can't be had, and what would help."""
    taken = error.errno == errno.EADDRINUSE
    why = "is taken by another process" if taken else f"can't be listened on ({error.strerror})"
    return f"port {port} on {host} {why}: choose another with --port"


def _check(host: str, port: int) -> None:
    """With SO_REUSEPORT a taken port is no error any more."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStartError(unbound(host, port, error)) from None
