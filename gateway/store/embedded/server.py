"""Waiting for an embedded server: with a guard beside it, until it answers and is surely ours."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from gateway.store.embedded import guard
from gateway.store.embedded.cluster import ROLE
from gateway.store.embedded.places import EmbeddedError
from gateway.store.embedded.programs import ENVIRONMENT

_ATTEMPTS: Final = 3
_NEWS_EVERY: Final = 5.0
"""Seconds between two words about a server that is not ready yet."""
_LOG_TAIL: Final = 12
"""Lines of the server's log in an error."""
_LOOK_EVERY: Final = 1.0
"""Seconds between two looks whether the guard lives."""

_log = logging.getLogger(__name__)


async def ready(server: guard.Server, password: str, say: Callable[[str], None]) -> str:
    """Start the server, or join the one that runs, and wait until it answers; the URL of its `ledgerline`.

    Tried again when the end of the server before it was in the way.
    """
    home = server.home
    for _ in range(_ATTEMPTS):
        await _spawn_guard(server)
        if url := await _answered(home, password, say):
            return await _with_database(url)
    tail = (home / "server.log").read_text(errors="replace").splitlines()[-_LOG_TAIL:]
    raise EmbeddedError("\n".join([f"PostgreSQL does not start. The end of {home / 'server.log'}:", *tail]))


async def keep_guarded(server: guard.Server) -> None:
    """Until cancelled: a guard that was killed gets a successor, which starts the server if that died too."""
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        with contextlib.suppress(OSError):  # such as too many open files: that passes
            if not guard.is_held(server.home / "guard"):
                _log.warning("the guard of the embedded database is gone: another one begins")
                await _spawn_guard(server)


async def _spawn_guard(server: guard.Server) -> None:
    """Make sure that a guard lives; this one gives way to one that is there."""
    log = os.open(server.home / "server.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        words = [sys.executable, "-I", "-S", guard.__file__, *server.words()]
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT
        )
        await process.wait()
    finally:
        os.close(log)


async def _answered(home: Path, password: str, say: Callable[[str], None]) -> str | None:
    """The server's URL once it answers; None when the guard gave up."""
    clock = asyncio.get_running_loop().time
    news = clock() + _NEWS_EVERY
    while guard.is_held(home / "guard"):
        url = _written_url(home, password) if guard.is_held(home / "server") else None
        # Held still: a guard that finds a server started by hand holds the lock for a moment, too.
        if url and await _is_ours(url, home) and guard.is_held(home / "server"):
            return url
        if clock() >= news:
            news = clock() + _NEWS_EVERY
            say("PostgreSQL is not ready yet; after a crash it replays its log first, which can take minutes")
        await asyncio.sleep(guard.PAUSE / 2)
    return None


def _written_url(home: Path, password: str) -> str | None:
    """The URL by the server's own pid file, once it says there that it is ready."""
    try:
        lines = (home / "cluster" / "postmaster.pid").read_text().splitlines()
        port, folder, status = lines[3], lines[4], lines[7].strip()
    except (FileNotFoundError, IndexError, UnicodeDecodeError):
        return None
    if status != "ready":
        return None
    return f"postgresql://{ROLE}:{password}@/postgres?host={quote(folder, safe='/')}&port={port}"


async def _is_ours(url: str, home: Path) -> bool:
    """Whether the server answers; EmbeddedError when it is not the one of this cluster."""
    try:
        connection = await asyncpg.connect(url, timeout=_NEWS_EVERY)
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise EmbeddedError(f"{home / 'password'} is not the server's password: restore that file") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError):
        return False
    try:
        folder = await connection.fetchval("show data_directory")
    finally:
        await connection.close()
    if folder != str(home / "cluster"):
        raise EmbeddedError(f"the server that {home}/cluster names has its data in {folder}")
    return True


async def _with_database(url: str) -> str:
    """Make the database if it is missing; its URL."""
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("select true from pg_database where datname = $1", ROLE):
            await connection.execute(f"create database {ROLE}")
    finally:
        await connection.close()
    return url.replace("@/postgres?", f"@/{ROLE}?", 1)
