"""Run projections: pages of the log into tables, each page and its checkpoint in one transaction.

The checkpoint's row lock is the ownership: any number of gateways may run the same projections, and each
event is folded once. An event that can't be folded becomes a dead letter; nothing waits behind it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeAlias

import asyncpg

from domain.events import Event, Recorded, Undecodable
from projections.rows import Connection, Table
from projections.sql import load

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

LIVE_PAGE: Final = 500
"""Events a transaction folds as they come."""

CATCH_UP_PAGE: Final = 2_000
"""Events a transaction folds when far behind; larger ones gain little and keep requests waiting."""

REST: Final = 0.1
"""Seconds that a projection lets events gather: nothing waits for it, since the policy reads past its lag."""

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries when the database is away."""

_REPLACED: Final = (asyncpg.CannotCoerceError, asyncpg.InternalServerError)
"""What a prepared statement says whose parameter is a row of a table that was replaced, or dropped by now."""

_log = logging.getLogger(__name__)


class Reader(Protocol):
    """What projections need of the log."""

    async def after(self, position: int, limit: int) -> Sequence[Recorded | Undecodable]:
        """At most `limit` events in the order of their positions, from the first after `position`."""

    async def wait(self) -> None:
        """Return when there may be something new: on a hint, or after the poll interval."""

    async def head(self) -> int:
        """The last position of the log; 0 when it is empty."""


class Projection(Protocol):
    """A read model: tables of its own, and how a page of events changes them."""

    @property
    def name(self) -> str:
        """Name and version of its tables, and of its checkpoint (`window_v2`)."""

    @property
    def folds(self) -> Collection[type[Event]]:
        """The classes of events that change its tables; a rebuild reads no others."""

    @property
    def tables(self) -> Sequence[Table[Any]]:
        """Its tables, and what events make of their rows."""

    def ddl(self, schema: str) -> str:
        """Statements that make its tables, then its views, where they are missing (projections/shape.py)."""

    async def fold(self, db: Connection, page: Sequence[Recorded]) -> None:
        """Change the tables; the caller holds the transaction. Depends on the events alone, no clock."""


class CheckpointBeyondHeadError(Exception):
    """The log ends before what was folded already: it was restored or failed over; rebuild the projection."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a projection is, and how many events it could not fold."""

    position: int
    head: int
    dead_letters: int


class _Step(Enum):
    MOVED = auto()
    BUSY = auto()
    """Somebody else owns the checkpoint at this moment, or has moved it."""
    AT_HEAD = auto()


def ddl(schema: str) -> str:
    """Statements that make the tables of checkpoints and dead letters where they are missing."""
    return load("projections", "runner.sql", schema)["ddl"]


class Runner:
    """Follows the log with a set of projections."""

    def __init__(self, projections: Sequence[Projection], pool: Pool, reader: Reader, *, schema: str) -> None:
        """`pool` may be the one that `reader` uses: no connection is held while a page is read."""
        self._projections = projections
        self._pool = pool
        self._reader = reader
        self._sql: Mapping[str, str] = load("projections", "runner.sql", schema)

    async def run(self) -> None:
        """Follow the log until cancelled; outlives the loss of the database.

        Raises an ExceptionGroup of CheckpointBeyondHeadError when the log lost what was folded already.
        """
        async with asyncio.TaskGroup() as tasks:
            for projection in self._projections:
                tasks.create_task(self._follow(projection), name=projection.name)

    async def catch_up(self) -> None:
        """Return when all that the log holds now is folded, by whomever."""
        head = await self._reader.head()
        for projection in self._projections:
            while await self._position(projection) < head:
                if await self._step(projection, CATCH_UP_PAGE) is _Step.BUSY:
                    await asyncio.sleep(0.01)

    async def lag(self) -> dict[str, Lag]:
        """By name of the projection."""
        head = await self._reader.head()
        names = [projection.name for projection in self._projections]
        rows = await self._pool.fetch(self._sql["lag"], names)
        seen = {row["name"]: Lag(row["position"], head, row["dead_letters"]) for row in rows}
        return {name: seen.get(name, Lag(0, head, 0)) for name in names}

    async def _follow(self, projection: Projection) -> None:
        limit, pause = LIVE_PAGE, FIRST_PAUSE
        while True:
            try:
                step = await self._step(projection, limit)
                limit = CATCH_UP_PAGE if step is _Step.MOVED else LIVE_PAGE
                if step is not _Step.MOVED:
                    await self._reader.wait()
                    await asyncio.sleep(REST)
                pause = FIRST_PAUSE
            except CheckpointBeyondHeadError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the database has, it is tried again
                _log.warning("projection waits", extra={"projection": projection.name, "error": _name(error)})
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _position(self, projection: Projection) -> int:
        position = await self._pool.fetchval(self._sql["position"], projection.name)
        if position is None:
            await self._pool.execute(self._sql["begin"], projection.name)
        return position or 0

    async def _step(self, projection: Projection, limit: int) -> _Step:
        position = await self._position(projection)
        page = await self._reader.after(position, limit)
        if not page:
            if position > await self._reader.head():
                raise CheckpointBeyondHeadError(
                    f"{projection.name} stands at {position}, behind the log's end"
                )
            return _Step.AT_HEAD
        is_full = len(page) == limit
        try:
            return await self._take(projection, position, page, is_full=is_full)
        except _REPLACED:
            # A rebuild has put other tables in place of those that the sessions' statements were made for.
            async with self._pool.acquire() as db:
                await db.reload_schema_state()
            return await self._take(projection, position, page, is_full=is_full)

    async def _take(
        self, projection: Projection, position: int, page: Sequence[Recorded | Undecodable], *, is_full: bool
    ) -> _Step:
        async with self._pool.acquire() as db, db.transaction():
            await db.execute(self._sql["relax"])
            if await db.fetchval(self._sql["own"], projection.name) != position:
                return _Step.BUSY
            await self._fold(db, projection, page)
            await db.execute(self._sql["advance"], projection.name, page[-1].position)
        return _Step.MOVED if is_full else _Step.AT_HEAD

    async def _fold(
        self, db: Connection, projection: Projection, page: Sequence[Recorded | Undecodable]
    ) -> None:
        events = [item for item in page if isinstance(item, Recorded)]
        for item in page:
            if isinstance(item, Undecodable):
                await self._bury(db, projection, item.position, item.error)
        if await attempt(db, projection.fold(db, events)) is None:
            return
        for event in events:
            error = await attempt(db, projection.fold(db, [event]))
            if error is not None:
                await self._bury(db, projection, event.position, _name(error))

    async def _bury(self, db: Connection, projection: Projection, position: int, error: str) -> None:
        _log.error(
            "event not folded", extra={"projection": projection.name, "position": position, "error": error}
        )
        await db.execute(self._sql["bury"], projection.name, position, error)


async def attempt(db: Connection, fold: Coroutine[Any, Any, None]) -> Exception | None:
    """Fold behind a savepoint; an error that lies in the events is returned, any other one raised."""
    try:
        with closing(fold):  # it may never begin: the transaction comes first
            async with db.transaction():
                await fold
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        return error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a fold that raises must not stop the others
        return error
    return None


def _name(error: Exception) -> str:
    return type(error).__name__
