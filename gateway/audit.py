"""`ledgerline audit`: questions to a log, beside a running gateway or without one; nothing is written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import fill
from typing import Final
from uuid import UUID

import asyncpg

from domain import explain
from gateway.answers import rfc3339
from gateway.app import Databases
from gateway.export import MANIFEST, ExportError, export
from gateway.lives import Lives
from gateway.store.keyring import Masters
from gateway.store.log import opens
from gateway.store.opening import Opener
from gateway.store.postgres import DATABASE_GONE, Pool, Postgres, connect_pool
from gateway.verification.verify import verify

INDENT: Final = " " * 12


class AuditError(Exception):
    """Why a question has no answer."""


async def explain_send(databases: Databases, schema: str, send_id: UUID, say: Callable[[str], None]) -> None:
    """Say why a send went the way it went, without personal data. Raises AuditError."""
    with _readable(schema):
        async with connect_pool(databases.url, schema, size=2, read_only=True) as pool:
            lives = Lives(pool, schema)
            life = await lives.find(send_id=send_id)
            if life is None or life.send is None:
                raise AuditError(f"this log knows no send {send_id}")
            told = explain.explain(await lives.history(life))
    say(f"{send_id}: {told.state}\n{told.summary}\n")
    for step in told.steps:
        say(f"{step.position:>10}  {rfc3339(step.at)}  {step.topic}")
        say(fill(step.text, 100, initial_indent=INDENT, subsequent_indent=INDENT))


async def verify_log(
    databases: Databases, schema: str, *, now: datetime, patience: timedelta, say: Callable[[str], None]
) -> int:
    """Say whether the log holds what it promises; how many things are wrong. Raises AuditError.

    `patience`: how old a dispatch without an outcome may be.
    """
    with _readable(schema):
        async with connect_pool(databases.url, schema, size=1) as pool:
            return await verify(pool, schema, now=now, patience=patience, say=say)


async def export_log(
    databases: Databases,
    schema: str,
    folder: Path,
    *,
    first: int,
    last: int | None,
    opened: bool,
    say: Callable[[str], None],
) -> None:
    """Write a range of the log as files; `opened`: with its content.

    Raises AuditError and WrongMasterKeyError.
    """
    with _readable(schema):
        async with connect_pool(databases.url, schema, size=2, read_only=True) as pool:
            opener = await _opener(pool, schema, databases) if opened else None
            try:
                files = await export(pool, schema, folder, first=first, last=last, opener=opener)
            except ExportError as error:
                raise AuditError(str(error)) from None
    events = sum(file.events for file in files)
    say(f"{events} events in {len(files)} file(s); {folder / MANIFEST} has their sums")


async def _opener(pool: Pool, schema: str, databases: Databases) -> Opener:
    log_id, _ = await Postgres(pool, schema).identity()
    async with pool.acquire() as db:
        await opens(db, schema, master_keys=databases.master_keys)
    return Opener(pool, schema, log_id=log_id, masters=Masters(databases.master_keys))


@contextlib.contextmanager
def _readable(schema: str) -> Iterator[None]:
    try:
        yield
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        raise AuditError(f"the schema {schema} holds no log of this release; serve makes one") from None
    except asyncpg.InsufficientPrivilegeError:
        needed = "select in the schema, and temporary on the database"
        raise AuditError(f"the database refuses to be read: the user needs {needed}") from None
    except (*DATABASE_GONE, asyncpg.PostgresError) as error:
        raise AuditError(f"the database can't be read ({type(error).__name__})") from None
