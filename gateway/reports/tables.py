"""Rows of a report as text: a table to read, CSV, or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import orjson

Format = Literal["table", "csv", "json"]
Row = dict[str, Any]
MONEY: Final = frozenset({"cost", "cost_whatsapp", "rate"})
"""Columns of amounts, which are texts."""


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows, which have the same names, under a heading; numbers stand to the right, `-` for nothing."""
    if not rows:
        return
    names = list(rows[0])
    cells = [names, *([cell(row[name]) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [name in MONEY or any(isinstance(row[name], int | float) for row in rows) for name in names]
    for line in cells:
        aligned = zip(line, widths, right, strict=True)
        words = (text.rjust(width) if number else text.ljust(width) for text, width, number in aligned)
        yield "  ".join(words).rstrip()


def as_csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    """The rows as CSV with a header, without a newline at the end; what is not known is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def as_json(body: Row) -> str:
    """The answer of the API, indented."""
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()


def cell(value: object) -> str:
    """A value in a table for people."""
    return "-" if value is None else str(value)
