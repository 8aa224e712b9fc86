"""Gateways, the simulator and servers put together as a scenario needs them."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from running import MASTER_KEY, Running, listening

from gateway import sandbox as sandboxed
from gateway.app import Databases, create_app
from gateway.sandbox import controls, graph
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.simulator import Simulator, create_simulator
from gateway.settings.loading import load
from gateway.store.embedded import Embedded

LONG = "CHAOS_LONG" in os.environ
"""Whether `make chaos` asks for the long versions."""


@asynccontextmanager
async def simulated(*around: Any) -> AsyncIterator[Simulator]:
    """WhatsApp, with middlewares around what it answers."""
    simulator = create_simulator(callback_url="http://127.0.0.1:9", clock=SandboxClock())
    app = graph.graph_app(simulator)
    app.middlewares[:0] = around
    async with graph.serving(app, simulator):
        yield simulator


@asynccontextmanager
async def serving(
    database: str,
    simulator: Simulator,
    *,
    clock: Callable[[], datetime] | None = None,
    **given: Any,
) -> AsyncIterator[Running]:
    """A gateway on this database, with the simulator's callbacks turned to it."""
    own = {"upstream_url": simulator.graph_url, "waba": None}
    settings = load(**dict(sandboxed.SETTINGS) | own | given)
    databases = Databases(database, database, (base64.b64decode(MASTER_KEY),))
    app = create_app(settings, databases, clock=clock or simulator.clock.now)
    controls.add_controls(app, simulator)
    async with listening(app, simulator) as running:
        yield running


@dataclass(frozen=True)
class Server:
    """An embedded PostgreSQL that nobody else needs."""

    url: str
    home: Path

    def signal(self, kind: signal.Signals) -> None:
        """Tell the postmaster (SIGINT: fast shutdown, SIGQUIT: immediate); its guard starts it again."""
        pid = (self.home / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0]
        os.kill(int(pid), kind)

    def vanish(self) -> None:
        """Server and guard at once: only a gateway is left to bring them back."""
        pid = (self.home / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0]
        guard = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        for one in (guard, pid):
            os.kill(int(one), signal.SIGKILL)


@asynccontextmanager
async def own_server(folder: Path | None = None, **settings: str) -> AsyncIterator[Server]:
    """A server in a folder that every user can pass through."""
    data_dir = folder or Path(tempfile.mkdtemp(prefix="ledgerline-"))
    data_dir.chmod(0o711)
    quick = {"fsync": "off", "shared_buffers": "16MB"}
    try:
        embedded = await Embedded.start(data_dir, say=lambda _: None, settings=quick | settings)
        try:
            yield Server(embedded.url, (data_dir / "postgres").resolve())
        finally:
            await embedded.stop()
    finally:
        if folder is None:
            shutil.rmtree(data_dir)
