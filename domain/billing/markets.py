"""The rate card's market of a recipient, by the prefix that is recorded of it (domain/markets.py).

`markets.csv` holds calling codes and areas with the days they count for (windows and pricing, section 5);
whatever it does not name is of the market Other.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

OTHER: Final = "Other"
BSUID: Final = "bsuid:"


@dataclass(frozen=True, slots=True)
class Market:
    """The market of a recipient at a day."""

    name: str
    estimated: bool
    """Taken from the country of a user id: WhatsApp goes by the number, which may be of another one."""


@dataclass(frozen=True, slots=True)
class _Span:
    market: str
    starts: date
    ends: date
    """Exclusive."""


Spans = Mapping[str, Sequence[_Span]]


@lru_cache(maxsize=4096)
def market_of(prefix: str | None, day: date) -> Market | None:
    """The market by the longest known prefix; None where nothing is known of the recipient."""
    if not prefix:
        return None
    by_prefix, by_country = _spans()
    if prefix.startswith(BSUID):
        return Market(_at(by_country.get(prefix.removeprefix(BSUID), ()), day) or OTHER, estimated=True)
    lengths = range(len(prefix), 0, -1)
    found = (_at(by_prefix.get(prefix[:length], ()), day) for length in lengths)
    return Market(next((name for name in found if name), OTHER), estimated=False)


@cache
def names() -> frozenset[str]:
    """Every market there is or was."""
    by_prefix, _ = _spans()
    return frozenset({OTHER} | {span.market for spans in by_prefix.values() for span in spans})


def _at(spans: Sequence[_Span], day: date) -> str | None:
    return next((span.market for span in spans if span.starts <= day < span.ends), None)


@cache
def _spans() -> tuple[Spans, Spans]:
    by_prefix: dict[str, list[_Span]] = defaultdict(list)
    by_country: dict[str, list[_Span]] = defaultdict(list)
    with (files("domain.billing") / "markets.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            span = _Span(
                row["market"],
                _day(row["valid_from"]) or date.min,
                _day(row["valid_to"]) or date.max,
            )
            by_prefix[row["prefix"]].append(span)
            by_country[row["country"]].append(span)
    return by_prefix, by_country


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
