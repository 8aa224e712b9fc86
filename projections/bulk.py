"""Fold a long log into tables that nobody reads yet: in parts, in any order, by any number of processes.

What the events of a part tell is merged in memory and copied to the end of tables that have neither keys nor
indexes. Several parts may tell of one row: since rows merge in any order (projections/rows.py), that is put
right when all are copied, and keys and indexes are made last. A part is one transaction, and its row in the
table of parts is all that is known of it: what a killed process was at is left to the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.events import Recorded
from projections.ahead import Page, Pages, pages
from projections.rows import Connection, Row, Table, add, from_record, key, key_names, merge, to_record
from projections.runner import Projection, attempt
from projections.shape import Shape
from projections.sql import load

PART: Final = 50_000
"""Events a transaction folds: a row of which many of them tell is written once."""
PAGE: Final = 2_500
"""Positions whose events are in memory at once."""
PAUSE: Final = 0.2
"""Seconds between two looks whether others are done with their parts."""
MERGED: Final = 10_000
"""Rows in memory at once while they are put right."""
_MANY: Final = 10
"""A table is written anew when more than one row in so many was doubled."""


class StoppedError(Exception):
    """An event can't be folded; the rebuild stands right before it."""


def ddl(schema: str) -> str:
    """Statements that make the table of parts where it is missing."""
    return load("projections", "bulk.sql", schema)["ddl"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far all parts are together."""

    folded: int
    goal: int
    parts: int
    """That are not folded whole yet."""
    first: int
    """Every event up to this position is folded."""


class Bulk:
    """The fold of a whole log into the empty tables of a projection."""

    def __init__(
        self, projection: Projection, shape: Shape, db: Connection, log: Pages, *, schema: str
    ) -> None:
        """`shape`: of the tables in `schema`, which `db` may change; each process has a `db` of its own."""
        self._name = projection.name
        self._folds = projection.folds
        self._tables = projection.tables
        self._shape = shape
        self._db = db
        self._log = log
        self._schema = schema
        self._sql: Mapping[str, str] = load("projections", "bulk.sql", schema)
        self._checkpoints = load("projections", "runner.sql", schema)

    async def standing(self) -> Standing | None:
        """How far it is; None where there are no parts: not begun, or finished."""
        row = await self._db.fetchrow(self._sql["standing"], self._name)
        return None if row is None or row["goal"] is None else Standing(*row)

    async def begin(self) -> bool:
        """Make parts of the log, if nothing of it is folded; whether there are any, new or left over."""
        async with self._db.transaction():
            await self._db.execute(self._sql["alone"])
            if await self.standing() is not None:
                return True
            if await self._db.fetchval(self._checkpoints["position"], self._name):
                return False
            head = await self._log.head()
            for table in self._tables if head else ():
                await self._db.execute(self._sql["bare"].replace("{table}", table.name))
            await self._db.execute(self._sql["split"], self._name, head, PART)
        return head > 0

    async def work(self, moved: Callable[[Standing], None] = lambda _: None) -> None:
        """Fold parts until all are folded, by whomever. Raises StoppedError."""
        standing = await self.standing()
        while standing is not None and standing.parts:
            if not await self.fold_next():
                await asyncio.sleep(PAUSE)
            if (standing := await self.standing()) is not None:
                moved(standing)

    async def fold_next(self) -> bool:
        """Fold a part that nobody is at; False where there is none. Raises StoppedError."""
        async with self._db.transaction():
            await self._db.execute(self._checkpoints["relax"])
            await self._db.execute(self._sql["patient"])
            row = await self._db.fetchrow(self._sql["next"], self._name)
            if row is None:
                return False
            reached, error = await self._fold(row["position"], row["ends"])
            await self._db.execute(self._sql["reached"], self._name, row["part"], reached)
        if error is not None:
            raise StoppedError(f"{self._name}: the event at position {reached + 1} can't be folded ({error})")
        return True

    async def finish(self) -> None:
        """Put right what several parts told of, and make keys and indexes. All parts must be folded."""
        for table in self._tables:
            if await self._put_right(table):
                await self._db.execute(self._sql["compact"].replace("{table}", table.name))
        async with self._db.transaction():
            await self._db.execute(self._sql["alone"])
            standing = await self.standing()
            if standing is None:
                return
            await self._db.execute(self._sql["roomy"])
            for table in self._tables:
                await self._db.execute(self._of_keys("key", table))
            await self._db.execute(self._shape.make)
            await self._db.execute(self._checkpoints["advance"], self._name, standing.goal)
            await self.forget()

    async def forget(self) -> None:
        """Know of no parts any more."""
        await self._db.execute(self._sql["forget"], self._name)

    async def _fold(self, after: int, upto: int) -> tuple[int, str | None]:
        """How far it came, and what is wrong with the next event; halved until that one is found."""
        error = await self._take(after, upto)
        if error is None:
            return upto, None
        if upto - after == 1:
            return after, error
        half = (after + upto) // 2
        reached, error = await self._fold(after, half)
        return (reached, error) if error is not None else await self._fold(half, upto)

    async def _take(self, after: int, upto: int) -> str | None:
        """Copy what the events tell, or nothing and say what stands in the way."""
        gathered: list[dict[Any, Row]] = [{} for _ in self._tables]
        async with contextlib.aclosing(pages(self._log, after, upto, PAGE, self._folds)) as coming:
            async for _, page in coming:
                if (wrong := self._gather(gathered, page)) is not None:
                    return wrong
        error = await attempt(self._db, self._copy_all(gathered))
        return None if error is None else type(error).__name__

    def _gather(self, gathered: Sequence[dict[Any, Row]], page: Page) -> str | None:
        events: list[Recorded] = []
        for item in page:
            if not isinstance(item, Recorded):
                return item.error
            events.append(item)
        try:
            for table, known in zip(self._tables, gathered, strict=True):
                for row in table.rows(events):
                    add(known, row)
        except Exception as error:  # noqa: BLE001 - whatever an event holds, it is named
            return type(error).__name__
        return None

    async def _copy_all(self, gathered: Sequence[dict[Any, Row]]) -> None:
        for table, known in zip(self._tables, gathered, strict=True):
            await self._copy(table, list(known.values()))

    async def _copy(self, table: Table[Any], rows: Sequence[Row]) -> None:
        records = map(to_record, rows)
        await self._db.copy_records_to_table(table.name, schema_name=self._schema, records=records)

    async def _put_right(self, table: Table[Any]) -> bool:
        """Merge the rows of one key; whether the table has become much smaller."""
        async with self._db.transaction():
            await self._db.execute(self._sql["alone"])
            await self._db.execute(self._sql["roomy"])
            await self._db.execute(self._of_keys("doubled", table))
            is_much = await self._db.fetchval(self._sql["is much"].replace("{table}", table.name), _MANY)
            await self._db.execute(self._of_keys("take doubled", table))
            async for rows in self._merged(table):
                await self._copy(table, rows)
        return bool(is_much)

    async def _merged(self, table: Table[Any]) -> AsyncIterator[Sequence[Row]]:
        """The rows that the doubled ones make."""
        done: list[Row] = []
        async for record in self._db.cursor(self._of_keys("doubled in order", table), prefetch=1_000):
            row = from_record(table.row, record)
            if done and key(done[-1]) == key(row):
                done[-1] = merge(done[-1], row)
                continue
            if len(done) == MERGED:
                yield done
                done = []
            done.append(row)
        yield done

    def _of_keys(self, block: str, table: Table[Any]) -> str:
        keys = ", ".join(key_names(table.row))
        return self._sql[block].replace("{table}", table.name).replace("{keys}", keys)
