"""Build a projection anew beside the one that serves, and put it in its place in one transaction.

The tables grow in a schema of their own (`{schema}_rebuild`), with a checkpoint of their own, so that a
rebuild that was killed goes on. What served before is kept in `{schema}_old`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from domain.events import Recorded, Undecodable
from projections import bulk, runner
from projections.ahead import Page, Pages, pages
from projections.bulk import Bulk, StoppedError
from projections.rows import Connection
from projections.runner import Projection, attempt
from projections.shape import Shape, shape
from projections.sql import load

PAGE: Final = 10_000
"""Positions whose events a transaction folds: nobody waits for these tables."""
PAUSE: Final = 0.3
"""Seconds between two tries to take the place of tables that are being read."""

_IN_THE_WAY: Final = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InternalServerError,  # "tuple concurrently updated": a gateway starts at this moment
)


class BusyError(Exception):
    """Somebody else rebuilds the same projection."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that the rebuilt table has otherwise than the one that serves."""

    table: str
    keys: Sequence[str]
    """Columns of the primary key."""
    row: str
    """Their values."""
    found: str
    """missing: it serves without this row; extra: it serves a row too much; different."""


class Rebuild:
    """The next build of one projection.

    What is in the log when it begins is folded by `bulk`, the rest and all that comes by `catch_up`.
    """

    def __init__(
        self,
        projection: Callable[[str], Projection],
        db: Connection,
        reader: Pages,
        *,
        schema: str,
        maker: str,
    ) -> None:
        """`projection` makes it for a schema; `db` may make schemas and tables.

        `maker`: log and release; what another one began is begun anew.
        """
        scratch = f"{schema}_rebuild"
        self._projection = projection(scratch)
        self._db = db
        self._reader = reader
        self._maker = maker
        self._serving: Shape = shape(projection(schema), schema)
        self._shape: Shape = shape(self._projection, scratch)
        self._checkpoints = load("projections", "runner.sql", scratch)
        self._serving_checkpoints = load("projections", "runner.sql", schema)
        self._runner_ddl = runner.ddl(scratch)
        self._bulk_ddl = bulk.ddl(scratch)
        sql = load("projections", "rebuild.sql", schema)
        self._sql = {name: _in_place(text, schema) for name, text in sql.items()}
        self.bulk = Bulk(self._projection, self._shape, db, reader, schema=scratch)
        self.position = 0

    @property
    def name(self) -> str:
        """Of the projection."""
        return self._projection.name

    async def begin(self) -> int:
        """Make the tables, or find those of a build that was interrupted; the position it goes on from."""
        await self._db.reload_schema_state()
        await self._db.execute(self._sql["begin"])
        await self._db.execute(self._runner_ddl)
        await self._db.execute(self._bulk_ddl)
        async with self._db.transaction():
            if await self._db.fetchval(self._sql["maker"], self.name) != self._maker:
                await self._db.execute(self._sql["forget"], self.name)
                await self.bulk.forget()
                await self._each("drop")
                await self._db.execute(self._sql["made by"], self.name, self._maker)
            await self._db.execute(self._checkpoints["begin"], self.name)
            if (standing := await self.bulk.standing()) is not None:
                return standing.first
            await self._db.execute(self._shape.make)
            await self._each("rights")
        return await self._stand()

    async def catch_up(self, upto: int | None = None, moved: Callable[[int], None] = lambda _: None) -> None:
        """Fold what the log holds now, or up to a position. `moved` is told behind each page how far it goes.

        Raises StoppedError and BusyError.
        """
        await self._stand()
        goal = await self._reader.head() if upto is None else upto
        if goal < self.position:
            raise runner.CheckpointBeyondHeadError(f"{self.name} stands at {self.position}, behind {goal}")
        coming = pages(self._reader, self.position, goal, PAGE, self._projection.folds)
        async with contextlib.aclosing(coming):
            async for end, page in coming:
                await self._take(page, end)
                moved(goal)

    async def differences(self, beside: Connection) -> AsyncIterator[Difference]:
        """Rows that are otherwise in the tables that serve, both as of one position.

        `beside`: another connection, which holds the one that serves until this one has come to it. That
        one must not be behind this one.
        """
        hold = beside.transaction()
        await hold.start()
        try:
            await self.catch_up(await beside.fetchval(self._sql["hold"], self.name))
            snapshot = self._db.transaction(isolation="repeatable_read", readonly=True)
            await snapshot.start()
            await self._db.fetchval("select 1")
        finally:
            await hold.rollback()
        try:
            for table in self._shape.tables:
                async for one in self._differences(table):
                    yield one
        finally:
            await snapshot.rollback()

    async def switch(self) -> int:
        """Serve these tables from now on; the position they stand at. Whoever reads is waited for."""
        for table in self._shape.tables:
            await self._db.execute(self._sql["analyze"].replace("{table}", table))
        while True:
            await self.catch_up()
            try:
                async with self._db.transaction():
                    return await self._switch()
            except _IN_THE_WAY:
                await asyncio.sleep(PAUSE)

    async def kept(self) -> Sequence[str]:
        """Tables that served before, and are kept."""
        rows = await self._db.fetch(self._sql["kept"], self._shape.tables)
        return [row["relname"] for row in rows]

    async def drop_old(self) -> None:
        """Drop them."""
        await self._each("drop old")
        await self._db.execute(self._sql["leave"])

    async def _switch(self) -> int:
        await self._db.execute(self._sql["patience"])
        await self._db.execute(self._serving_checkpoints["begin"], self.name)
        await self._db.fetchval(self._sql["hold"], self.name)
        await self.catch_up()
        await self._db.execute(self._sql["old"])
        await self._each("swap")
        await self._db.execute(self._serving.show)
        await self._db.execute(self._serving_checkpoints["advance"], self.name, self.position)
        await self._db.execute(self._sql["settle"], self.name, self.position)
        await self._db.execute(self._sql["forget"], self.name)
        await self._db.execute(self._sql["forget maker"], self.name)
        return self.position

    async def _stand(self) -> int:
        self.position = await self._db.fetchval(self._checkpoints["position"], self.name) or 0
        return self.position

    async def _take(self, page: Page, end: int) -> None:
        """Fold a page up to `end`; one that can't be is halved until the event is found that can't."""
        async with self._db.transaction():
            await self._db.execute(self._checkpoints["relax"])
            if await self._db.fetchval(self._checkpoints["own"], self.name) != self.position:
                raise BusyError(f"somebody else rebuilds {self.name}")
            error = await self._fold(page)
            if error is None:
                await self._db.execute(self._checkpoints["advance"], self.name, end)
        if error is None:
            self.position = end
        elif len(page) == 1:
            raise StoppedError(
                f"{self.name}: the event at position {page[0].position} can't be folded ({error})"
            )
        else:
            half = len(page) // 2
            await self._take(page[:half], page[half].position - 1)
            await self._take(page[half:], end)

    async def _fold(self, page: Page) -> str | None:
        """The name of what stands in the way; nothing is changed then."""
        events: list[Recorded] = []
        for item in page:
            if isinstance(item, Undecodable):
                return item.error
            events.append(item)
        error = await attempt(self._db, self._projection.fold(self._db, events))
        return None if error is None else type(error).__name__

    async def _differences(self, table: str) -> AsyncIterator[Difference]:
        keys = await self._db.fetchval(self._sql["keys"].replace("{table}", table))
        sql = self._sql["difference"].replace("{table}", table).replace("{keys}", ", ".join(keys))
        async for row in self._db.cursor(sql):
            yield Difference(table, keys, row["row"], row["found"])

    async def _each(self, block: str) -> None:
        for table in self._shape.tables:
            await self._db.execute(self._sql[block].replace("{table}", table))


def _in_place(text: str, schema: str) -> str:
    for name in ("rebuild", "old"):
        quoted = '"' + f"{schema}_{name}".replace('"', '""') + '"'
        text = text.replace("{scratch}" if name == "rebuild" else "{old}", quoted)
    return text
