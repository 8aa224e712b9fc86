"""One real PostgreSQL for all tests, and a fresh database for each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from conformance.matrix import Matrix

from gateway.store.embedded import Embedded
from gateway.store.migrate import migrate
from gateway.store.postgres import Pool, connect_pool

SCHEMA = "ledgerline"


def pytest_configure(config: pytest.Config) -> None:
    """Of several processes, the one that gets all reports keeps the matrix of docs/conformance.md."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Matrix())


SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
"""Nobody needs what a test leaves."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server to make databases in: TEST_DATABASE_URL, else one of our own while the tests run."""
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        yield url
        return
    server = asyncio.run(Embedded.start(tmp_path_factory.mktemp("server"), say=_silent, settings=SETTINGS))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())


def _silent(_text: str) -> None:
    """Tests say nothing."""


@pytest.fixture(scope="session")
def template(cluster: str) -> str:
    """Name of a database with the migrated schema `ledgerline`, to be cloned."""
    name = f"template_{uuid4().hex}"

    async def make() -> None:
        await _execute(cluster, f"create database {name}")
        await migrate(_in(cluster, name), SCHEMA)

    asyncio.run(make())
    return name


@pytest.fixture
async def empty_database(cluster: str) -> AsyncIterator[str]:
    """URL of a fresh database without any schema."""
    async for url in _database(cluster, "template1"):
        yield url


@pytest.fixture
async def database(cluster: str, template: str) -> AsyncIterator[str]:
    """URL of a fresh database with the migrated schema `ledgerline`."""
    async for url in _database(cluster, template):
        yield url


@pytest.fixture(scope="session")
def databases(cluster: str, template: str) -> Callable[[], AbstractAsyncContextManager[str]]:
    """Makes any number of such databases, for tests that need one for each example, or share one."""
    return lambda: asynccontextmanager(_database)(cluster, template)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """Connections to `database` in the serving role."""
    async with connect_pool(database, SCHEMA) as pool:
        yield pool


async def _database(cluster: str, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    await _execute(cluster, f"create database {name} template {template} strategy file_copy")
    yield _in(cluster, name)
    await _execute(cluster, f"drop database {name} with (force)")


def _in(cluster: str, database: str) -> str:
    return urlsplit(cluster)._replace(path=f"/{database}").geturl()


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
