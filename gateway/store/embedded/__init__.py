"""The embedded database: our own PostgreSQL from the binaries of a wheel, shared by all processes of a data directory.

The last client stops it; a client that was killed leaves that to the guard. One machine only.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import asyncpg

from gateway.store.embedded import cluster, guard
from gateway.store.embedded.places import (
    EmbeddedError,
    User,
    binaries,
    home_of,
    owner_of,
    secret,
    socket_folder,
)

__all__ = ["Embedded", "EmbeddedError", "master_key"]

_ATTEMPTS: Final = 3
_NEWS_EVERY: Final = 5.0
"""Seconds between two words about a server that is not ready yet."""
_LOG_TAIL: Final = 12
"""Lines of the server's log in an error."""


class Embedded:
    """A client of the embedded server.

    `url` is a superuser's in a cluster that is ours alone, over a socket; asyncpg and psycopg take it.
    """

    def __init__(self, url: str, home: Path, client: int) -> None:
        self.url = url
        self._home = home
        self._client: int | None = client

    @classmethod
    async def start(
        cls,
        data_dir: Path,
        *,
        say: Callable[[str], None] = print,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Embedded:
        """Make, start or join the server of this data directory; EmbeddedError says what would help.

        It waits until the server is ready, recovery after a crash included. `settings` are PostgreSQL's own and
        count for a server that is started, not for one that is joined.
        """
        home = home_of(data_dir, say)
        user = owner_of(home)
        programs = binaries(user)
        async with _lock(home):
            client = _join(home)
            try:
                password = await cluster.prepare(programs, home, user, say)
                sockets = socket_folder(home, user)
                words = cluster.command(programs, home, sockets, settings)
                url = await _ready(home, user, words, password, say)
                await _make_database(url)
            except BaseException:
                os.close(client)  # so the guard stops what was started
                raise
        return cls(_in_database(url, cluster.ROLE), home, client)

    async def stop(self) -> None:
        """Leave; the last client stops the server and waits until it is gone."""
        if self._client is None:
            return
        async with _lock(self._home):
            os.close(self._client)
            self._client = None
            nobody = guard.try_lock(self._home / "clients")
            if nobody is None:
                return
            try:
                await asyncio.to_thread(guard.shut_down, self._home)
                while guard.is_held(self._home / "guard"):
                    await asyncio.sleep(guard.PAUSE / 2)
            finally:
                os.close(nobody)


def master_key(data_dir: Path) -> str:
    """The master key kept beside the embedded cluster, 32 bytes in base64; made when there is none."""
    data_dir.mkdir(mode=0o700 if os.geteuid() else 0o711, parents=True, exist_ok=True)
    return secret(data_dir / "master.key", base64.b64encode(secrets.token_bytes(32)).decode())


@asynccontextmanager
async def _lock(home: Path) -> AsyncIterator[None]:
    while (held := guard.try_lock(home / "lock")) is None:
        await asyncio.sleep(guard.PAUSE / 2)
    try:
        yield
    finally:
        os.close(held)


def _join(home: Path) -> int:
    client = guard.try_lock(home / "clients", fcntl.LOCK_SH)
    if client is None:
        raise AssertionError("`clients` is held alone only by who holds `lock`")
    return client


async def _ready(home: Path, user: User, words: list[str], password: str, say: Callable[[str], None]) -> str:
    """Wait for the server's answer; its URL. Tried again when a server that was just ending was in the way."""
    for _ in range(_ATTEMPTS):
        await _spawn_guard(home, user, words)
        waited = 0.0
        while guard.is_held(home / "guard"):
            if url := await _answer(home, password):
                return url
            await asyncio.sleep(guard.PAUSE / 2)
            waited += guard.PAUSE / 2
            if waited >= _NEWS_EVERY:
                waited = 0.0
                say(
                    "PostgreSQL is not ready yet; after a crash it first replays its log, which can take minutes"
                )
    tail = (home / "server.log").read_text(errors="replace").splitlines()[-_LOG_TAIL:]
    raise EmbeddedError(
        "\n".join(["PostgreSQL did not start; the end of its log:", *tail, str(home / "server.log")])
    )


async def _spawn_guard(home: Path, user: User, words: list[str]) -> None:
    """Make sure that a guard lives; this one yields to one that is there."""
    log = os.open(home / "server.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", guard.__file__, str(home), str(user.uid), str(user.gid), *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"LC_ALL": "C", "PATH": os.defpath},
        )
        await process.wait()
    finally:
        os.close(log)


async def _answer(home: Path, password: str) -> str | None:
    """The URL of the server that the cluster's pid file names, once it answers and says that this is its data."""
    try:
        lines = (home / "cluster" / "postmaster.pid").read_text().splitlines()
        port, folder, status = lines[3], lines[4], lines[7].strip()
    except (FileNotFoundError, IndexError):
        return None
    if status != "ready":
        return None
    url = f"postgresql://{cluster.ROLE}:{password}@/postgres?host={quote(folder, safe='/')}&port={port}"
    try:
        connection = await asyncpg.connect(url, timeout=_NEWS_EVERY)
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise EmbeddedError(
            f"the server refuses the password in {home / 'password'}: restore that file"
        ) from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError):
        return None
    try:
        folder = await connection.fetchval("show data_directory")
    finally:
        await connection.close()
    if not Path(folder).samefile(home / "cluster"):
        raise EmbeddedError(f"the server that {home / 'cluster'} names serves {folder}")
    return url


async def _make_database(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("select true from pg_database where datname = $1", cluster.ROLE):
            await connection.execute(f"create database {cluster.ROLE}")
    finally:
        await connection.close()


def _in_database(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?", 1)
