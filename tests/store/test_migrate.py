"""A schema made by users who may do more, and less."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from gateway.store.migrate import migrate
from gateway.store.postgres import connect


def as_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))


async def test_a_serving_role_that_another_log_made_is_no_hindrance(empty_database: str) -> None:
    schema, user = f"log_{uuid4().hex}", f"user_{uuid4().hex}"
    admin = await asyncpg.connect(empty_database)
    try:
        await admin.execute(f"create role {schema}_serving nologin")  # for a schema of this name elsewhere
        await admin.execute(f"create role {user} login password 'plain'")
        name = await admin.fetchval("select current_database()")
        await admin.execute(f"grant create on database {name} to {user}")
        try:
            url = as_user(empty_database, user, "plain")
            for _ in range(2):
                await migrate(url, schema)
            db = await connect(url, schema)
            try:
                assert await db.fetchval("select current_user") == user
                table = f"{schema}.stored_events"
                assert await db.fetchval("select has_table_privilege($1, 'select')", table)
            finally:
                await db.close()
        finally:
            await admin.execute(f"drop owned by {user} cascade")
            await admin.execute(f"drop role {user}")
            await admin.execute(f"drop role {schema}_serving")
    finally:
        await admin.close()
