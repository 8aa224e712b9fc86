"""`ledgerline rebuild` and `ledgerline projections`: the tables made from the log."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final

import cyclopts

from gateway import replay
from gateway.app import Databases
from gateway.cli.database import databases_for, must_hold_log, usable_database
from gateway.cli.progress import Progress
from gateway.cli.terminal import CannotStartError, DataDir, given, run, say
from gateway.replay import Where
from gateway.settings import Settings
from gateway.settings.loading import load
from gateway.store.migrate import migrate
from gateway.store.postgres import connect_pool
from projections import catalogue
from projections.bulk import StoppedError
from projections.rebuild import BusyError
from projections.runner import CheckpointBeyondHeadError, Projection

MOST_WORKERS: Final = 8
"""By default: each takes some 100 MB."""
DEFAULT_WORKERS: Final = min(os.cpu_count() or 1, MOST_WORKERS)

Workers = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1))]
Flag = Annotated[bool, cyclopts.Parameter(negative="")]

app = cyclopts.App(name="projections", help="The tables that are made from the log.")


def rebuild(
    *names: str,
    all_: Annotated[bool, cyclopts.Parameter(name="--all", negative="")] = False,
    diff: Flag = False,
    drop_old: Flag = False,
    workers: Workers = DEFAULT_WORKERS,
    data_dir: DataDir = None,
) -> None:
    """Build projections anew beside those that serve, and let them serve; gateways go on meanwhile.

    --diff says which rows were otherwise. What served before is kept: --drop-old only drops it.
    --workers: so many processes, by default one for each core, but at most eight.
    """
    if bool(names) == all_:
        raise CannotStartError("say which projections (window_v2 …), or --all")
    settings = load(**given(data_dir))
    wanted = _named(names, settings)
    run(_drop_old(settings, wanted) if drop_old else _rebuild(settings, wanted, diff=diff, workers=workers))


@app.command
def checksum(*names: str, data_dir: DataDir = None) -> None:
    """Say what each projection holds: position, rows, SHA-256. The same for the same log."""
    settings = load(**given(data_dir))
    run(_checksum(settings, _named(names, settings)))


async def _rebuild(settings: Settings, wanted: Sequence[Projection], *, diff: bool, workers: int) -> None:
    async with _log(settings) as where:
        for projection in wanted:
            with Progress() as progress:
                try:
                    await replay.rebuild(where, projection, progress, diff=diff, workers=workers)
                except (StoppedError, BusyError, CheckpointBeyondHeadError) as error:
                    raise CannotStartError(str(error)) from None


async def _drop_old(settings: Settings, wanted: Sequence[Projection]) -> None:
    async with _log(settings) as where:
        for projection in wanted:
            await replay.drop_old(where, projection, Progress())


async def _checksum(settings: Settings, wanted: Sequence[Projection]) -> None:
    async with _log(settings, made=True) as where:
        async for one in replay.checksums(where, wanted):
            say(f"{one.name:14} position {one.position}  {one.rows} rows  {one.sha256}")


@contextlib.asynccontextmanager
async def _log(settings: Settings, *, made: bool = False) -> AsyncIterator[Where]:
    """`made`: for who asks only, the tables must be there."""
    schema = settings.schema_name
    async with databases_for(settings, begin=False) as databases:
        with usable_database():
            await must_hold_log(settings, databases)
            if not made:
                await _make(databases, schema)
            async with connect_pool(databases.url, schema, size=4) as pool:
                yield Where(pool, schema, databases.url, databases.admin_url)


async def _make(databases: Databases, schema: str) -> None:
    ddl = catalogue.ddl(schema)
    await migrate(databases.admin_url, schema, serving_url=databases.url, extra_ddl=ddl)


def _named(names: Sequence[str], settings: Settings) -> list[Projection]:
    try:
        return replay.named(names, settings.schema_name)
    except replay.UnknownNameError as error:
        raise CannotStartError(str(error)) from None
