"""`ledgerline serve` and `simulate`: what listens until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from importlib import resources
from typing import Annotated

import cyclopts
from aiohttp import web

from gateway import sandbox as sandboxed
from gateway.app import create_app
from gateway.cli.database import SANDBOX_CLOCK, databases_for, usable_database
from gateway.cli.terminal import CannotStartError, DataDir, complain, given, run, say
from gateway.cli.workers import Flag, supervise, unbound
from gateway.logs import configure
from gateway.sandbox import controls, graph
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.simulator import create_simulator
from gateway.settings import Settings, SettingsError
from gateway.settings.loading import load, warnings
from gateway.settings.needs import missing
from gateway.store.embedded import EmbeddedError
from gateway.store.keyring import WrongMasterKeyError

LOOPBACK = "127.0.0.1"
FINISH = 45.0
"""Seconds that a shutdown gives to requests under way: longer than WhatsApp may take to answer."""

COLLECTED = 50_000
"""Objects that are made, and not freed, before cycles are looked for."""

Port = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1, lte=65535))]
Workers = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1, lte=64))]


def serve(
    *,
    sandbox: bool = False,
    host: str = LOOPBACK,
    port: Port = 8080,
    data_dir: DataDir = None,
    workers: Workers = 1,
) -> None:
    """Run the gateway until Ctrl-C; with --sandbox against the built-in simulator, without an account.

    --workers: so many processes on the one port, for as many cores.
    """
    if sandbox and host != LOOPBACK:
        raise CannotStartError(
            f"--sandbox listens on {LOOPBACK} only, because its controls ask for no key: leave --host out"
        )
    if sandbox and workers > 1:
        raise CannotStartError("--sandbox has its simulator in the one process: leave --workers out")
    own = dict(sandboxed.SETTINGS) if sandbox else {}
    settings = load(**given(data_dir) | own)
    for warning in warnings(settings):
        say(f"warning: {warning}")
    if lacking := missing(dict(settings)):
        raise SettingsError(lacking)
    if workers > 1:
        supervise(workers, work, host, port, settings)
        return
    configure(pretty=sys.stderr.isatty())
    run(_sandboxed(settings, port) if sandbox else _serve(settings, host, port))


def work(listening: Flag, host: str, port: int, settings: Settings) -> None:
    """One gateway of several on a port; it sets `listening`."""
    configure(pretty=sys.stderr.isatty())
    try:
        run(_serve(settings, host, port, shared=listening))
    except (CannotStartError, EmbeddedError, WrongMasterKeyError) as error:
        complain(str(error))
        sys.exit(1)


def simulate(*, port: Port = 8081, callback_url: str = "http://127.0.0.1:8080/webhooks/whatsapp") -> None:
    """Run the simulator on its own: WhatsApp's Graph API and the sandbox controls on one port."""
    run(_simulate(port, callback_url))


async def _serve(settings: Settings, host: str, port: int, *, shared: Flag | None = None) -> None:
    async with databases_for(settings) as databases:
        gateway = create_app(settings, databases)
        async with _listening(gateway, host, port, shared=shared is not None):
            if shared is not None:
                shared.value = True
            else:
                say(f"Ledgerline listens on http://{host}:{port}")
            await _until_stopped()


async def _sandboxed(settings: Settings, port: int) -> None:
    """The gateway with WhatsApp simulated; its controls are on the gateway's port, so loopback only."""
    simulator = create_simulator(
        callback_url=f"http://{LOOPBACK}:{port}/webhooks/whatsapp",
        clock=SandboxClock(settings.data_dir / SANDBOX_CLOCK),
        data_dir=settings.data_dir,
    )
    async with (
        databases_for(settings) as databases,
        graph.serving(graph.graph_app(simulator), simulator) as upstream,
    ):
        settings = settings.model_copy(update={"upstream_url": upstream})
        gateway = create_app(settings, databases, clock=simulator.clock.now)
        controls.add_controls(gateway, simulator)
        async with _listening(gateway, LOOPBACK, port):
            say(f"Ledgerline listens on http://{LOOPBACK}:{port}; WhatsApp is simulated. Ctrl-C stops it.\n")
            welcome = (resources.files("gateway.sandbox") / "welcome.txt").read_text()
            say(welcome.replace("localhost:8080", f"localhost:{port}"))
            await _until_stopped()


async def _simulate(port: int, callback_url: str) -> None:
    simulator = create_simulator(callback_url=callback_url, clock=SandboxClock())
    application = graph.graph_app(simulator)
    controls.add_controls(application, simulator)
    async with contextlib.AsyncExitStack() as stack:
        with _binding(LOOPBACK, port):
            url = await stack.enter_async_context(
                graph.serving(application, simulator, host=LOOPBACK, port=port)
            )
        say(f"WhatsApp is simulated on {url}; it calls back to {callback_url}. Ctrl-C stops it.")
        say("A gateway that takes it for WhatsApp:\n")
        for name, value in sandboxed.variables(url).items():
            say(f"export {name}={value}")
        await _until_stopped()


@contextlib.asynccontextmanager
async def _listening(
    application: web.Application, host: str, port: int, *, shared: bool = False
) -> AsyncIterator[None]:
    """`shared`: other processes listen on the same port."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=FINISH)
    try:
        await _opened(runner)
        collect_seldom()
        with _binding(host, port):
            await web.TCPSite(runner, host, port, reuse_port=shared or None).start()
        yield
    finally:
        await runner.cleanup()


def collect_seldom() -> None:
    """What the start made stays, and what requests make has hardly any cycles to look for."""
    gc.freeze()
    gc.set_threshold(COLLECTED, 20, 20)


async def _opened(runner: web.AppRunner) -> None:
    with usable_database():
        await runner.setup()


@contextlib.contextmanager
def _binding(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotStartError(unbound(host, port, error)) from None


async def _until_stopped() -> None:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stopped.set)
    if supervisor := multiprocessing.parent_process():
        loop.add_reader(supervisor.sentinel, stopped.set)  # killed: nobody is left to stop a worker
    await stopped.wait()
    say("Stopping; what was taken is finished first.")
