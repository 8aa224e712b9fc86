"""What the definition of a projection makes: tables with their indexes first, then what shows them.

The tables of a new version stand beside the old ones; what shows them (views and functions, each made by
`create or replace`) changes over once they have caught up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from projections.sql import load

_TABLE: Final = re.compile(r"create table if not exists \S+\.(\w+)")
_VIEW: Final = re.compile(r"create or replace view \S+\.(\w+)")
_SHOWN: Final = "create or replace"


class Defined(Protocol):
    """A projection, as far as its definition goes."""

    @property
    def name(self) -> str:
        """Name and version."""

    def ddl(self, schema: str) -> str:
        """Its statements, what shows the tables behind the tables."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The definition of a projection in one schema."""

    tables: Sequence[str]
    """Names, without the schema."""
    views: Sequence[str]
    make: str
    """Makes tables and indexes where they are missing."""
    show: str
    """Turns the views to these tables, whatever they showed before."""
    show_first: str
    """The same, but leaves views alone that show tables of another version."""
    elsewhere: str
    """Whether some view shows tables of another version."""


def shape(projection: Defined, schema: str) -> Shape:
    """The parts of its definition."""
    make, found, rest = projection.ddl(schema).partition(_SHOWN)
    show = found + rest
    tables, views = _TABLE.findall(make), _VIEW.findall(show)
    sql = load("projections", "shape.sql", schema)
    elsewhere = sql["elsewhere"].replace("{views}", _names(views)).replace("{tables}", _names(tables))
    show_first = sql["show first"].replace("{elsewhere}", elsewhere).replace("{show}", show.rstrip("; \n"))
    return Shape(tables, views, make, show, show_first if show else "", elsewhere)


def _names(names: Sequence[str]) -> str:
    return "array[" + ", ".join(f"'{name}'" for name in names) + "]::text[]"
