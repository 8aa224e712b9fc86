"""Make and migrate a log's schema: numbered SQL files, then the tables of projections, then the grants."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Final

import asyncpg

from gateway.store.postgres import Connection, must_be_new_enough, quoted, serving_role
from projections.sql import load

LONGEST_SCHEMA: Final = 50
"""Bytes of a schema's name: it is part of the serving role's, and PostgreSQL cuts names at 63."""

PAUSE: Final = 0.3
"""Seconds between two tries to lock what is being read."""

_NAME: Final = re.compile(r"(\d{4})_(\w+)\.sql")


async def migrate(
    admin_url: str, schema: str, *, serving_url: str | None = None, extra_ddl: Sequence[str] = ()
) -> None:
    """Bring `schema` up to this release; any number of gateways may do so at once.

    `admin_url` may make schemas and tables. `serving_url` is the one that gateways work with, where that is
    another. `extra_ddl` is run each time and must bear it (`create table if not exists …`).
    """
    if len(schema.encode()) > LONGEST_SCHEMA:
        raise ValueError(f"schema {schema!r} is longer than {LONGEST_SCHEMA} bytes")
    user = await _user_of(serving_url or admin_url)
    sql = load("gateway.store", "migrate.sql", schema)
    admin = await asyncpg.connect(admin_url)
    try:
        must_be_new_enough(admin)
        await _begin(admin, sql)
        while not await _migrated(admin, sql, schema, user, extra_ddl):  # noqa: ASYNC110 - waits for the database
            await asyncio.sleep(PAUSE)
    finally:
        await admin.close()


async def _migrated(
    admin: Connection, sql: Mapping[str, str], schema: str, user: str, extra_ddl: Sequence[str]
) -> bool:
    """Whether it is done; not while gateways of the log read what is to be changed."""
    try:
        async with admin.transaction():
            await admin.execute(sql["lock"])
            await admin.execute(sql["patience"])
            await _apply(admin, sql, schema)
            for ddl in extra_ddl:
                await admin.execute(ddl)
            await _grant(admin, sql, schema, user)
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def _user_of(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("select current_user"))
    finally:
        await connection.close()


async def _begin(admin: Connection, sql: Mapping[str, str]) -> None:
    """`if not exists` loses a race with an error; whoever lost finds everything there."""
    try:
        await admin.execute(sql["begin"])
    except (asyncpg.UniqueViolationError, asyncpg.DuplicateSchemaError, asyncpg.DuplicateTableError):
        await admin.execute(sql["begin"])


async def _apply(admin: Connection, sql: Mapping[str, str], schema: str) -> None:
    applied = {row["number"] for row in await admin.fetch(sql["applied"])}
    folder = files("gateway.store") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        name = _NAME.fullmatch(file.name)
        if name is None or int(name[1]) in applied:
            continue
        await admin.execute(file.read_text(encoding="utf-8").replace("{schema}", quoted(schema)))
        await admin.execute(sql["record"], int(name[1]), name[2])


async def _grant(admin: Connection, sql: Mapping[str, str], schema: str, user: str) -> None:
    """The serving role may read everything and write all but the log, which only the functions write.

    Where roles can't be made, the serving user gets the grants itself; a user that serves and migrates owns
    the tables then, and only the triggers protect the log.
    """
    role = serving_role(schema)
    may_take = await admin.fetchval(sql["may take role"], user, role)
    if may_take is None and await admin.fetchval(sql["may make roles"]):
        await admin.execute(sql["role"].replace("{grantee}", quoted(role)))
        may_take = await admin.fetchval(sql["may take role"], user, role)
    if may_take is False and not await _given(admin, role, user):
        may_take = None
    if may_take is not None:
        await admin.execute(sql["grants"].replace("{grantee}", quoted(role)))
    elif user != await admin.fetchval("select current_user"):
        await admin.execute(sql["grants"].replace("{grantee}", quoted(user)))


async def _given(admin: Connection, role: str, user: str) -> bool:
    """Whether the user has got the role; one that a log of the same name elsewhere made may be another's."""
    try:
        async with admin.transaction():
            await admin.execute(f"grant {quoted(role)} to {quoted(user)}")
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True
