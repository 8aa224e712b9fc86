"""The fixtures of a running gateway (tests/running.py), and a database for a whole module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from running import running, start

from gateway.app import Databases
from gateway.audit import verify_log

__all__ = ["running", "start"]


@pytest.fixture
async def sound(database: str) -> AsyncIterator[None]:
    """In the end the log's own audit finds nothing."""
    yield
    said: list[str] = []
    url, now = Databases(database, database, ()), datetime.now(UTC)
    assert await verify_log(url, "ledgerline", now=now, patience=timedelta(), say=said.append) == 0, said


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_database(cluster: str, template: str) -> AsyncIterator[str]:
    """URL of a fresh database with the migrated schema `ledgerline`, for all tests of a module."""
    name, server = f"chaos_{uuid4().hex}", await asyncpg.connect(cluster)
    try:
        await server.execute(f"create database {name} template {template} strategy file_copy")
        yield urlsplit(cluster)._replace(path=f"/{name}").geturl()
        await server.execute(f"drop database {name} with (force)")
    finally:
        await server.close()
