"""The `ledgerline` command."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import cyclopts
import uvloop
from aiohttp import web

from domain.openers import DEFAULT
from gateway import audit as auditing
from gateway import doctor as examination
from gateway import report
from gateway import sandbox as sandboxed
from gateway import settings as configuration
from gateway.api.reports import Asked, current_month
from gateway.app import Databases, create_app, databases_of, opened, utc_now
from gateway.imports import consents, windows
from gateway.logs import configure
from gateway.sandbox import controls, graph
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.simulator import create_simulator
from gateway.settings import Settings, SettingsError, master_key_bytes
from gateway.store.embedded import Embedded, EmbeddedError, master_key
from gateway.store.keyring import WrongMasterKeyError
from gateway.store.log import Log
from gateway.store.outcomes import InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE, Pool

LOOPBACK = "127.0.0.1"
FINISH = 45.0
"""Seconds that a shutdown gives to requests under way: longer than WhatsApp may take to answer."""

app = cyclopts.App(
    name="ledgerline", help="A messaging gateway in front of WhatsApp that remembers everything."
)

Port = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1, lte=65535))]
Day = Annotated[date | None, cyclopts.Parameter(help="YYYY-MM-DD, in LEDGERLINE_TIME_ZONE.")]
DataDir = Annotated[Path | None, cyclopts.Parameter(help="Embedded database, master key and sandbox clock.")]
SendId = Annotated[str, cyclopts.Parameter(help="The Ledgerline-Send-Id of the answer.")]

audit = cyclopts.App(name="audit", help="Ask the log; nothing is written.")
app.command(audit)

imports = cyclopts.App(name="import", help="Hand over what another system knows already.")
reports = cyclopts.App(name="report", help="Reports as text.")
app.command(imports)
app.command(reports)


class CannotStartError(Exception):
    """What stands in the way of a start, beside the settings."""


@app.command
def serve(
    *, sandbox: bool = False, host: str = LOOPBACK, port: Port = 8080, data_dir: DataDir = None
) -> None:
    """Run the gateway until Ctrl-C; with --sandbox against the built-in simulator, without an account."""
    given = _given(data_dir) | (dict(sandboxed.SETTINGS) if sandbox else {})
    settings = configuration.load(**given)
    for warning in configuration.warnings(settings):
        _say(f"warning: {warning}")
    if lacking := configuration.missing(settings):
        raise SettingsError(lacking)
    configure(pretty=sys.stderr.isatty())
    _run(_sandboxed(settings, port) if sandbox else _serve(settings, host, port))


@app.command
def simulate(*, port: Port = 8081, callback_url: str = "http://127.0.0.1:8080/webhooks/whatsapp") -> None:
    """Run the simulator on its own: WhatsApp's Graph API and the sandbox controls on one port."""
    _run(_simulate(port, callback_url))


@app.command
def doctor(*, data_dir: DataDir = None) -> None:
    """Name every setting that is missing or wrong; say whether database, upstream and webhook answer."""
    sys.exit(asyncio.run(examination.examine(_given(data_dir), say=_say)))


@audit.command
def explain(send_id: SendId, *, data_dir: DataDir = None) -> None:
    """Say what was asked, what the policy saw and decided, and what became of a send."""
    try:
        wanted = UUID(send_id)
    except ValueError:
        wrong = f"{send_id!r} is no send_id: that is the UUID in the answer's Ledgerline-Send-Id"
        raise auditing.AuditError(wrong) from None
    _run(_explain(configuration.load(**_given(data_dir)), wanted))


async def _explain(settings: Settings, send_id: UUID) -> None:
    if settings.database_url is None and not settings.data_dir.is_dir():
        raise auditing.AuditError(f"{settings.data_dir} holds no log: choose its place with --data-dir")
    async with _databases(settings) as databases:
        await auditing.explain_send(databases, settings.schema_name, send_id, _say)


@imports.command(name="windows")
def import_windows(file: Path, /, *, data_dir: DataDir = None) -> None:
    """Record when contacts last wrote (CSV: line,contact,last_inbound), so that their windows are open."""
    settings = _settings_for_log(data_dir)
    if not settings.lines:
        raise SettingsError(["LEDGERLINE_LINES is missing: the phone_number_ids that the file may name"])
    if not DEFAULT.with_overrides(settings.openers).rules["import"].is_on:
        raise SettingsError(["ledgerline.toml: [openers] import is false, so an import would open nothing"])
    now = utc_now()
    checked = windows.check(file, lines=settings.lines, now=now)
    if isinstance(checked, windows.Wrong):
        for problem in checked.problems:
            _complain(problem)
        _complain(f"{len(checked.problems)} problem(s); nothing was imported")
        sys.exit(1)
    _run(_import_windows(settings, checked, now))


@imports.command(name="consents")
def import_consents(file: Path, /, *, skip_bad: bool = False, data_dir: DataDir = None) -> None:
    """Record what people chose (CSV: contact,category,value,at,source,text[,line]); all lines or none.

    With --skip-bad wrong lines are named and left out.
    """
    settings = _settings_for_log(data_dir)
    if not settings.lines:
        raise SettingsError(["LEDGERLINE_LINES is missing: a choice is recorded with one of them"])
    now = utc_now()
    try:
        checked = consents.check(file, lines=settings.lines, now=now)
    except consents.UnreadableError as error:
        raise CannotStartError(str(error)) from None
    for problem in checked.problems:
        _complain(problem)
    if checked.problems and not skip_bad:
        _complain(f"{len(checked.problems)} problem(s); nothing was imported")
        sys.exit(1)
    _run(_import_consents(settings, checked, now))


@reports.command(name="observed")
def report_observed(
    *,
    from_day: Annotated[Day, cyclopts.Parameter(name="--from")] = None,
    to_day: Annotated[Day, cyclopts.Parameter(name="--to")] = None,
    line: str | None = None,
    data_dir: DataDir = None,
) -> None:
    """What enforcing would have refused, against what WhatsApp did; --to is exclusive."""
    settings = _settings_for_log(data_dir)
    first, last = current_month(utc_now(), settings.time_zone)
    asked = Asked(from_day or first, to_day or last, settings.time_zone, line)
    _run(_report_observed(settings, asked))


async def _import_windows(settings: Settings, checked: windows.Checked, now: datetime) -> None:
    openers = DEFAULT.with_overrides(settings.openers)
    async with _log(settings) as (_, log):
        try:
            imported = await windows.record(log, checked.inbound, openers=openers, now=now)
        except (NotTaken, InDoubt):
            raise CannotStartError("the log does not answer; import the same file again") from None
    for text in windows.told(checked, imported):
        _say(text)


async def _import_consents(settings: Settings, checked: consents.Checked, now: datetime) -> None:
    async with _log(settings) as (_, log):
        try:
            imported = await consents.record(log, checked.choices, now=now)
        except (NotTaken, InDoubt):
            raise CannotStartError("the log does not answer; import the same file again") from None
    for text in consents.told_of(checked, imported):
        _say(text)


async def _report_observed(settings: Settings, asked: Asked) -> None:
    async with _log(settings) as (pool, _):
        found = await report.observed(pool, settings.schema_name, asked)
    for text in report.told(found, asked):
        _say(text)


def _settings_for_log(data_dir: Path | None) -> Settings:
    settings = configuration.load(**_given(data_dir))
    if lacking := configuration.log_missing(settings):
        raise SettingsError(lacking)
    return settings


@contextlib.asynccontextmanager
async def _log(settings: Settings) -> AsyncIterator[tuple[Pool, Log]]:
    """The log, beside whatever gateways run on it."""
    async with _databases(settings) as databases, contextlib.AsyncExitStack() as stack:
        with _usable_database():
            found = await stack.enter_async_context(opened(settings, databases))
        yield found


async def _serve(settings: Settings, host: str, port: int) -> None:
    async with _databases(settings) as databases, _listening(create_app(settings, databases), host, port):
        _say(f"Ledgerline listens on http://{host}:{port}")
        await _until_stopped()


async def _sandboxed(settings: Settings, port: int) -> None:
    """The gateway with WhatsApp simulated; its controls are on the gateway's port, so loopback only."""
    simulator = create_simulator(
        callback_url=f"http://{LOOPBACK}:{port}/webhooks/whatsapp",
        clock=SandboxClock(settings.data_dir / "sandbox-clock"),
        data_dir=settings.data_dir,
    )
    async with (
        _databases(settings) as databases,
        graph.serving(graph.graph_app(simulator), simulator) as upstream,
    ):
        settings = settings.model_copy(update={"upstream_url": upstream})
        gateway = create_app(settings, databases, clock=simulator.clock.now)
        controls.add_controls(gateway, simulator)
        async with _listening(gateway, LOOPBACK, port):
            _say(f"Ledgerline listens on http://{LOOPBACK}:{port}; WhatsApp is simulated. Ctrl-C stops it.\n")
            welcome = (resources.files("gateway.sandbox") / "welcome.txt").read_text()
            _say(welcome.replace("localhost:8080", f"localhost:{port}"))
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
        _say(f"WhatsApp is simulated on {url}; it calls back to {callback_url}. Ctrl-C stops it.")
        await _until_stopped()


@contextlib.asynccontextmanager
async def _databases(settings: Settings) -> AsyncIterator[Databases]:
    """The databases the settings name, or the embedded server for as long as it is needed."""
    if settings.database_url is not None:
        yield databases_of(settings)
        return
    try:
        server = await Embedded.start(settings.data_dir, say=_say)
    except OSError as error:
        raise CannotStartError(f"{error.filename or settings.data_dir}: {error.strerror}") from None
    try:
        given = [key.get_secret_value() for key in settings.master_key]
        keys = given or [master_key(settings.data_dir)]
        yield Databases(server.url, server.url, tuple(master_key_bytes(key) for key in keys))
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def _listening(application: web.Application, host: str, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=FINISH)
    try:
        await _opened(runner)
        with _binding(host, port):
            await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


async def _opened(runner: web.AppRunner) -> None:
    with _usable_database():
        await runner.setup()


@contextlib.contextmanager
def _usable_database() -> Iterator[None]:
    try:
        yield
    except (*DATABASE_GONE, asyncpg.PostgresError) as error:
        # PostgreSQL's own words quote no secret; the driver's may quote the URL.
        why = str(error) if isinstance(error, asyncpg.PostgresError) else type(error).__name__
        raise CannotStartError(f"the database can't be used ({why}); ledgerline doctor says more") from None


@contextlib.contextmanager
def _binding(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is taken by another process" if taken else f"can't be listened on ({error.strerror})"
        raise CannotStartError(f"port {port} on {host} {why}: choose another with --port") from None


async def _until_stopped() -> None:
    stopped = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, stopped.set)
    await stopped.wait()
    _say("Stopping; what was taken is finished first.")


def _run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _given(data_dir: Path | None) -> dict[str, Any]:
    return {} if data_dir is None else {"data_dir": data_dir}


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the command's own voice


def _complain(text: str) -> None:
    print(f"ledgerline: {text}", file=sys.stderr)  # noqa: T201 - the command's own voice


def main() -> None:
    """Entry point; what stands in the way is said in words, not as a trace."""
    try:
        app()
    except SettingsError as error:
        for problem in error.problems:
            _complain(problem)
        sys.exit(2)
    except (CannotStartError, auditing.AuditError, EmbeddedError, WrongMasterKeyError) as error:
        _complain(str(error))
        sys.exit(1)
