"""Rows that merge: every column keeps the smallest or the largest value that was ever seen.

An event gives a row of its own, and a table holds the merge of all of them. Merging is commutative,
associative and idempotent column by column, so neither order nor repetition of the events can matter. The
same rows merged in memory answer what a table that lags behind can't answer yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import asyncpg.pgproto.pgproto
from asyncpg.pool import PoolConnectionProxy

from domain.events import Recorded

Rule = Callable[[Any, Any], Any]
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"


class Row(Protocol):
    """Base of values (domain/values.py) that are a table's fields in order: the key first, without a rule."""

    __slots__ = ()

    @property
    def derived(self) -> tuple[Any, ...]:
        """Columns that follow from the others; they stand last in the table."""
        return ()


R = TypeVar("R", bound=Row)

to_uuid: Final[Callable[[str], UUID]] = asyncpg.pgproto.pgproto.UUID
"""A UUID from how a recorded event writes it, at a tenth of the standard library's time."""

_TURN: Final = 200
"""Rows that are merged in one go, some milliseconds; requests are served beside a long page."""


SMALLEST: Final[Mapping[str, Any]] = {"rule": min}
"""Metadata of a field that keeps the smallest value seen."""

LARGEST: Final[Mapping[str, Any]] = {"rule": max}
"""Metadata of a field that keeps the largest value seen."""


def grouped(
    width: int, pack: Callable[[Any], Iterable[Any]], unpack: Callable[..., Any], rule: Rule = max
) -> dict[str, Any]:
    """Metadata of a field that is `width` columns: how it becomes their values, and they it again."""
    return {"rule": rule, "width": width, "pack": pack, "unpack": unpack}


def fields_of(shape: Callable[..., Any], names: Sequence[str], rule: Rule = max) -> dict[str, Any]:
    """Metadata of a field that is a `shape`, with a column for each of its fields `names` (two or more)."""
    return grouped(
        len(names), attrgetter(*names), lambda *values: shape(**dict(zip(names, values, strict=True))), rule
    )


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    rule: Rule | None
    width: int | None
    pack: Any
    unpack: Any

    def values(self, value: Any) -> Sequence[Any]:
        if self.width is None:
            return (value,)
        return (None,) * self.width if value is None else tuple(self.pack(value))

    def value(self, values: Iterator[Any]) -> Any:
        if self.width is None:
            return next(values)
        parts = tuple(islice(values, self.width))
        return None if all(part is None for part in parts) else self.unpack(*parts)


@cache
def _columns(row: type[Any]) -> tuple[_Column, ...]:
    return tuple(
        _Column(f.name, *map(f.metadata.get, ("rule", "width", "pack", "unpack"))) for f in fields(row)
    )


def key_names(row: type[Any]) -> list[str]:
    """The columns of the key."""
    return [f.name for f in fields(row) if "rule" not in f.metadata]


@cache
def _key_of(row: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    names = key_names(row)
    of_row = attrgetter(*names)
    return of_row if len(names) > 1 else lambda row: (of_row(row),)


def key(row: Row) -> tuple[Any, ...]:
    """What tells the row from the others of its table."""
    return _key_of(type(row))(row)


def merge(a: R, b: R) -> R:
    """The one row that two rows of the same key make."""
    kept = []
    for column in _columns(type(a)):
        x, y = getattr(a, column.name), getattr(b, column.name)
        if column.rule is None or y is None or x == y:
            kept.append(x)
        else:
            kept.append(y if x is None else column.rule(x, y))
    return type(a)(*kept)


def merged(rows: Iterable[R]) -> dict[tuple[Any, ...], R]:
    """All rows by their key, those of one key merged."""
    table: dict[tuple[Any, ...], R] = {}
    for row in rows:
        add(table, row)
    return table


def add(table: dict[tuple[Any, ...], R], row: R) -> None:
    """Merge a row into those that are there by their key."""
    at = key(row)
    table[at] = merge(table[at], row) if at in table else row


def to_record(row: Row) -> tuple[Any, ...]:
    """The row as the table holds it."""
    values: list[Any] = []
    for column in _columns(type(row)):
        value = getattr(row, column.name)
        if column.width is None:
            values.append(value)
        else:
            values.extend(column.values(value))
    return (*values, *row.derived)


def from_record(row: type[R], record: Iterable[Any]) -> R:
    """The row from its columns, without the derived ones."""
    values = iter(record)
    return row(*(column.value(values) for column in _columns(row)))


class Table(Generic[R]):
    """A table of one kind of row, written by one owner at a time."""

    def __init__(
        self,
        name: str,
        row: type[R],
        rows: Callable[[Iterable[Recorded]], Iterable[R]],
        sql: Mapping[str, str],
        block: str,
    ) -> None:
        """`rows`: what events make. `sql`: its `load …` (by an array for each key) and `save …` (by rows)."""
        self.name = name
        self.row = row
        self.rows = rows
        self._load = sql[f"load {block}"]
        self._save = sql[f"save {block}"]

    async def absorb(self, db: Connection, page: Iterable[Recorded]) -> None:
        """Merge what `page` tells into the table: one read, one write, neither when nothing changes."""
        changed: dict[tuple[Any, ...], R] = {}
        for n, row in enumerate(self.rows(page), 1):
            add(changed, row)
            if n % _TURN == 0:
                await asyncio.sleep(0)
        if not changed:
            return
        for n, record in enumerate(await db.fetch(self._load, *zip(*changed, strict=True)), 1):
            if n % _TURN == 0:
                await asyncio.sleep(0)
            stored = from_record(self.row, record)
            row = merge(stored, changed[key(stored)])
            if row == stored:
                del changed[key(stored)]
            else:
                changed[key(stored)] = row
        if changed:
            await db.execute(self._save, [to_record(row) for row in changed.values()])


class Folding:
    """A projection all of whose tables hold rows that merge."""

    tables: Sequence[Table[Any]]

    async def fold(self, db: Connection, page: Sequence[Recorded]) -> None:
        """Merge what the page tells into every table."""
        for table in self.tables:
            await table.absorb(db, page)
