"""Connections to the database of a log, and reading the log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from domain.events import Recorded, Undecodable
from gateway.store.codec import decode
from gateway.store.outcomes import Appended, Draft
from projections.sql import load

# Strings, because the classes are generic only in the stubs.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

DATABASE_GONE: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # A bare Exception that asyncpg raises when a backend dies in the middle of an answer.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # What the machine under it can't do: I/O errors, files that can't be opened (class 58)
    asyncpg.PostgresSystemError,
    # "is not currently accepting connections"
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What a lost, restarting or overloaded database looks like; anything else is a mistake of ours."""

NO_LIMIT: Final = 2**31 - 1

STATEMENT_TIMEOUT: Final = 30.0
"""Seconds until a silent connection counts as lost."""
OLDEST: Final = 16
"""The major version of PostgreSQL from which on a log can be held: roles may be granted SET alone."""
CONNECT_TIMEOUT: Final = 5.0
"""Seconds that a new connection, or one from the pool, may take."""
RELEASE_TIMEOUT: Final = 1.0
"""Seconds that the server has to confirm a cancelled statement; then the connection is dropped."""


class HoleError(Exception):
    """A position is missing in the log: events were lost or hidden; the log must be looked at by a person."""


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def serving_role(schema: str) -> str:
    """The role that gateways work under: it can't write the log but through its functions."""
    return f"{schema}_serving"


class TooOldError(Exception):
    """The server is of a version that can't hold a log."""


def must_be_new_enough(connection: Connection) -> None:
    """Raises TooOldError, which says what would do."""
    found = connection.get_server_version().major
    if found < OLDEST:
        raise TooOldError(f"PostgreSQL {found} is too old: {OLDEST} or newer is needed")


async def connect(url: str, schema: str) -> asyncpg.Connection[asyncpg.Record]:
    """A connection of its own, in the serving role where there is one and the user may take it."""
    connection = await asyncpg.connect(
        url, server_settings=_SETTINGS, timeout=CONNECT_TIMEOUT, command_timeout=STATEMENT_TIMEOUT
    )
    try:
        must_be_new_enough(connection)
        await take_role(connection, schema)
    except BaseException:
        connection.terminate()
        raise
    return connection


def connect_pool(url: str, schema: str, *, size: int = 10, read_only: bool = False) -> Pool:
    """A pool of at most `size` connections in the serving role; enter it with `async with`, or await it."""
    settings = _SETTINGS | ({"default_transaction_read_only": "on"} if read_only else {})

    async def init(connection: Connection) -> None:
        await take_role(connection, schema)

    return _Pool(
        url,
        min_size=1,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        init=init,
        reset=_as_it_is,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        server_settings=settings,
        timeout=CONNECT_TIMEOUT,
        command_timeout=STATEMENT_TIMEOUT,
    )


class _Pool(asyncpg.Pool):
    """asyncpg's own waits without end for a server that says nothing, even when its user is cancelled."""

    def __init__(self, *arguments: Any, max_size: int, **settings: Any) -> None:
        super().__init__(*arguments, max_size=max_size, **settings)
        self._turns = asyncio.Semaphore(max_size)

    def acquire(self, *, timeout: float | None = None) -> Any:
        return _Turn(self._turns, super().acquire, timeout=CONNECT_TIMEOUT if timeout is None else timeout)

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):  # dropped then
            await super().close()

    async def release(  # asyncpg's own signature
        self,
        connection: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """`TimeoutError` here would hide what the statement itself came to."""
        with contextlib.suppress(TimeoutError):
            await super().release(connection, timeout=RELEASE_TIMEOUT if timeout is None else timeout)


class _Turn:
    """A connection for whoever has waited longest.

    asyncpg gives one that comes back to whoever asks next, and sends those that it woke for it to the end.
    """

    def __init__(self, turns: asyncio.Semaphore, acquire: Callable[[], Any], *, timeout: float) -> None:
        self._turns = turns
        self._acquire = acquire
        self._timeout = timeout

    async def __aenter__(self) -> Connection:
        async with asyncio.timeout(self._timeout):
            await self._turns.acquire()
            try:
                self._acquired = self._acquire()
                connection: Connection = await self._acquired.__aenter__()
            except BaseException:
                self._turns.release()
                raise
            return connection

    async def __aexit__(self, *raised: object) -> None:
        try:
            await self._acquired.__aexit__(*raised)
        finally:
            self._turns.release()


async def _as_it_is(_: Connection) -> None:
    """Nobody changes a pooled session, so its return costs no round trip; open transactions end anyhow."""


async def take_role(connection: Connection, schema: str) -> None:
    """Take the serving role for the session."""
    await connection.execute(load("gateway.store", "queries.sql", schema)["take role"], serving_role(schema))


_SETTINGS: Final = {
    "application_name": "ledgerline",
    "synchronous_commit": "on",
    "jit": "off",
    # A gateway that vanished without a word must not keep its locks for the hours that TCP takes to notice.
    "idle_in_transaction_session_timeout": "30s",
}


async def append_together(db: Connection, schema: str, drafts: Sequence[Draft]) -> list[Appended]:
    """Append all drafts or none, in the caller's transaction (READ COMMITTED), which holds the log from here.

    A known key, or a version that is taken, raises asyncpg.UniqueViolationError. `expected` is not compared:
    it says after which version to store, so that any may be given, the first one (0 after -1) included.
    """
    row = await db.fetchrow(
        load("gateway.store", "queries.sql", schema)["append together"],
        [draft.stream for draft in drafts],
        [None if draft.expected is None else draft.expected + 1 for draft in drafts],
        [draft.topic for draft in drafts],
        [draft.state for draft in drafts],
        [draft.key for draft in drafts],
        [draft.token for draft in drafts],
    )
    versions, positions = row if row is not None and drafts else ([], [])
    return [Appended(position, version) for position, version in zip(positions, versions, strict=True)]


class Postgres:
    """Reads a log; from the primary only, a replica may show commits in another order."""

    def __init__(self, pool: Pool, schema: str) -> None:
        """`pool`: of `connect_pool`."""
        self._pool = pool
        self._sql = load("gateway.store", "queries.sql", schema)

    async def after(self, position: int, limit: int) -> list[Recorded | Undecodable]:
        """At most `limit` events in order, from the first after `position`. A hole raises HoleError."""
        rows = await self._pool.fetch(self._sql["after"], position, limit)
        for expected, row in enumerate(rows, position + 1):
            if row["notification_id"] != expected:
                raise HoleError(f"position {expected} is missing: the next one is {row['notification_id']}")
        return _decoded(rows)

    async def between(self, after: int, upto: int, without: Sequence[str]) -> list[Recorded | Undecodable]:
        """The events behind `after`, `upto` included, but those of some topics. A hole raises HoleError."""
        rows = await self._pool.fetch(self._sql["between"], after, upto, without)
        there = await self._pool.fetchval(self._sql["count between"], after, upto)
        if there != upto - after:
            raise HoleError(f"of the positions {after + 1} to {upto} only {there} are there")
        return _decoded(rows)

    async def streams(
        self, ids: Sequence[UUID], after: int = 0, limit: int = NO_LIMIT
    ) -> list[Recorded | Undecodable]:
        """The events of some streams together, in order of position, from the first after that position."""
        return _decoded(await self._pool.fetch(self._sql["streams"], ids, after, limit))

    async def events_at(self, positions: Sequence[int]) -> list[Recorded | Undecodable]:
        """The events at these positions, in order; positions that don't exist are left out."""
        return _decoded(await self._pool.fetch(self._sql["events at"], positions))

    async def by_keys(self, keys: Sequence[UUID]) -> dict[UUID, Recorded | Undecodable]:
        """The events with these dedupe keys, as far as they are stored."""
        rows = await self._pool.fetch(self._sql["by keys"], keys)
        return {row["key"]: decode(*tuple(row)[1:]) for row in rows}

    async def head(self) -> int:
        """The last position; 0 when the log is empty."""
        return int(await self._pool.fetchval(self._sql["head"]))

    async def identity(self) -> tuple[UUID, int]:
        """The log's id, and its epoch now."""
        log_id, epoch = await self._pool.fetchrow(self._sql["identity"]) or (None, 0)
        if log_id is None:
            raise LookupError("log_head is empty: the schema was not made by a migration")
        return log_id, epoch


def _decoded(rows: Iterable[asyncpg.Record]) -> list[Recorded | Undecodable]:
    return [decode(*row) for row in rows]
