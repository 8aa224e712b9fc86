"""What changed in a report since it was noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from domain.billing.tally import COUNTS, money

BY: Final = ("line", "market", "category")
"""What a closed month is kept by."""

Row = Mapping[str, Any]


def adjustment(noted: Sequence[Row], present: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows that changed, by what; both grouped by BY. Of a row that is gone or new, all of it."""
    return list(_changes(_by_key(noted), _by_key(present)))


def total(rows: Sequence[Row]) -> dict[str, Any]:
    """All adjustments together."""
    cost = sum((Decimal(row["cost"]) for row in rows), Decimal(0))
    return {name: sum(row[name] for row in rows) for name in COUNTS} | {"cost": money(cost)}


def _by_key(rows: Sequence[Row]) -> dict[tuple[str, ...], Row]:
    return {tuple(row[name] or "" for name in BY): row for row in rows}


def _changes(
    noted: Mapping[tuple[str, ...], Row], present: Mapping[tuple[str, ...], Row]
) -> Iterator[dict[str, Any]]:
    for key in sorted(noted.keys() | present.keys()):
        before, now = noted.get(key, {}), present.get(key, {})
        counts = {name: now.get(name, 0) - before.get(name, 0) for name in COUNTS}
        cost = Decimal(now.get("cost", "0")) - Decimal(before.get("cost", "0"))
        if any(counts.values()) or cost:
            names = {name: word or None for name, word in zip(BY, key, strict=True)}
            yield names | counts | {"cost": money(cost)}
