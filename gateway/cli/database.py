"""The log of the settings, for commands that open it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from gateway.app import Databases, databases_of, opened, utc_now
from gateway.cli.terminal import CannotStartError, given, say
from gateway.sandbox.clock import SandboxClock
from gateway.settings import Settings, SettingsError
from gateway.settings.loading import load
from gateway.settings.needs import log_missing
from gateway.settings.values import master_key_bytes
from gateway.store.embedded import Embedded, master_key
from gateway.store.log import Log, begun
from gateway.store.postgres import DATABASE_GONE, Pool, TooOldError, connect

SANDBOX_CLOCK: Final = "sandbox-clock"
"""How far the sandbox's clock was moved: a file of the data directory."""


def settings_for_log(data_dir: Path | None) -> Settings:
    """The settings of a command that needs the log and nothing else. Raises SettingsError."""
    settings = load(**given(data_dir))
    if lacking := log_missing(dict(settings)):
        raise SettingsError(lacking)
    return settings


def now_of(settings: Settings) -> datetime:
    """The time of the log: a sandbox may have moved its own, which is embedded."""
    if settings.database_url is not None:
        return utc_now()
    return SandboxClock(settings.data_dir / SANDBOX_CLOCK).now()


@contextlib.asynccontextmanager
async def open_log(settings: Settings, *, begin: bool = True) -> AsyncIterator[tuple[Pool, Log]]:
    """The log, beside whatever gateways run on it; `begin`: it is made where there is none."""
    async with databases_for(settings, begin=begin) as databases, contextlib.AsyncExitStack() as stack:
        with usable_database():
            if not begin:
                await must_hold_log(settings, databases)
            found = await stack.enter_async_context(opened(settings, databases))
        yield found


@contextlib.asynccontextmanager
async def databases_for(settings: Settings, *, begin: bool = True) -> AsyncIterator[Databases]:
    """The databases the settings name, or the embedded server for as long as it is needed.

    `begin`: that one is made where there is none. Raises CannotStartError.
    """
    if settings.database_url is not None:
        yield databases_of(settings)
        return
    if not begin and not (settings.data_dir / "postgres").exists():
        raise CannotStartError(
            f"{settings.data_dir} holds no log: choose its place with --data-dir, "
            "or name its database in LEDGERLINE_DATABASE_URL"
        )
    try:
        server = await Embedded.start(settings.data_dir, say=say)
    except OSError as error:
        raise CannotStartError(f"{error.filename or settings.data_dir}: {error.strerror}") from None
    try:
        keys = settings.master_keys or (master_key_bytes(master_key(settings.data_dir)),)
        yield Databases(server.url, server.url, keys)
    finally:
        await server.stop()


async def must_hold_log(settings: Settings, databases: Databases) -> None:
    """For a command that asks only: what it would make is empty. Raises CannotStartError."""
    db = await connect(databases.url, settings.schema_name)
    try:
        log_id = await begun(db, settings.schema_name)
    finally:
        await db.close()
    if log_id is None:
        raise CannotStartError(
            f"the database holds no log in the schema {settings.schema_name}: check LEDGERLINE_DATABASE_URL "
            "and LEDGERLINE_SCHEMA; ledgerline serve makes a new one"
        )


@contextlib.contextmanager
def usable_database() -> Iterator[None]:
    """What is wrong with the database ends a start: raises CannotStartError."""
    try:
        yield
    except TooOldError as error:
        raise CannotStartError(str(error)) from None
    except (*DATABASE_GONE, asyncpg.PostgresError) as error:
        # PostgreSQL's own words quote no secret; the driver's may quote the URL.
        why = str(error) if isinstance(error, asyncpg.PostgresError) else type(error).__name__
        raise CannotStartError(f"the database can't be used ({why}); ledgerline doctor says more") from None
