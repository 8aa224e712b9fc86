"""Charges summed up by what a report is grouped by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from domain.billing.pricing import Charge

GROUPS: Final = ("day", "month", "line", "market", "category", "type", "template", "caller")
"""What a report may be grouped by."""

COUNTS: Final = ("accrued", "delivered", "free", "billable", "billable_whatsapp")
"""accrued: sends of ours that WhatsApp took, at their dispatch.
delivered: messages, in groups each participant's, once.
free, billable: the delivered ones by these terms; billable_whatsapp: by WhatsApp's own pricing."""


@dataclass(slots=True)
class Sum:
    """Some charges together."""

    counts: Counter[str] = field(default_factory=Counter)
    free_reasons: Counter[str] = field(default_factory=Counter)
    cost: Decimal = Decimal(0)
    lacking: int = 0
    """Charges of which the cost is not known."""
    estimated: bool = False
    """A market was taken from the country of a user id."""

    def add(self, charge: Charge) -> None:
        """One more charge."""
        cost = charge.cost
        self.counts["delivered"] += 1
        self.counts["billable"] += charge.billable
        self.counts["billable_whatsapp"] += charge.unit.billable_whatsapp is True
        if charge.free_because:
            self.counts["free"] += 1
            self.free_reasons[charge.free_because] += 1
        if cost is None:
            self.lacking += 1
        else:
            self.cost += cost
        self.estimated |= charge.market is not None and charge.market.estimated

    def include(self, other: Sum) -> None:
        """All charges of another one."""
        self.counts += other.counts
        self.free_reasons += other.free_reasons
        self.cost += other.cost
        self.lacking += other.lacking
        self.estimated |= other.estimated

    def shown(self) -> dict[str, Any]:
        """As a report has it; the cost as text."""
        return {name: self.counts[name] for name in COUNTS} | {
            "free_reasons": dict(sorted(self.free_reasons.items())),
            "cost": money(self.cost),
            "cost_complete": not self.lacking,
            "estimated": self.estimated,
        }


@dataclass(slots=True)
class Lack:
    """Messages whose cost is not known for the same reason."""

    first: date
    last: date
    messages: int = 0


class Tally:
    """A report that grows charge by charge."""

    def __init__(self, groups: Sequence[str]) -> None:
        """`groups`: of GROUPS."""
        self._groups = [name for name in GROUPS if name in groups]
        self._rows: dict[tuple[Any, ...], Sum] = {}
        self._lacks: dict[tuple[str, ...], Lack] = {}
        self._eras: set[str] = set()
        self._cards: set[str] = set()

    def add(self, charge: Charge) -> None:
        """One more delivered message."""
        self._row(charge).add(charge)
        self._eras.add(charge.era)
        if charge.found:
            self._cards.add(charge.found.card_id)
        if charge.lacks:
            self._lack(charge, charge.lacks)

    def accrue(self, charge: Charge, messages: int) -> None:
        """More sends that WhatsApp took, all of which belong where this one does."""
        self._row(charge).counts["accrued"] += messages

    def shown(self) -> dict[str, Any]:
        """Rows, totals, what is lacking, and what it was priced by."""
        total = Sum()
        for row in self._rows.values():
            total.include(row)
        return {
            "eras": sorted(self._eras),
            "cards": sorted(self._cards),
            "rows": [
                dict(zip(self._groups, key, strict=True)) | row.shown()
                for key, row in sorted(self._rows.items(), key=lambda one: _sortable(one[0]))
            ],
            "totals": total.shown(),
            "missing_rates": list(self._missing()),
        }

    def _row(self, charge: Charge) -> Sum:
        key = tuple(group_of(charge, name) for name in self._groups)
        if key not in self._rows:
            self._rows[key] = Sum()
        return self._rows[key]

    def _lack(self, charge: Charge, lacks: str) -> None:
        market = charge.market.name if charge.market else ""
        key = (charge.era, market, charge.category or "", lacks)
        lack = self._lacks.setdefault(key, Lack(charge.day, charge.day))
        lack.first, lack.last = min(lack.first, charge.day), max(lack.last, charge.day)
        lack.messages += 1

    def _missing(self) -> Iterator[dict[str, Any]]:
        for (era, market, category, lacks), lack in sorted(self._lacks.items()):
            yield {
                "market": market or None,
                "category": category or None,
                "lacks": lacks,
                "era": era,
                "first_day": lack.first.isoformat(),
                "last_day": lack.last.isoformat(),
                "messages": lack.messages,
            }


def money(amount: Decimal) -> str:
    """An amount as text, without needless zeros and never in powers of ten."""
    return format(amount.normalize(), "f")


def group_of(charge: Charge, name: str) -> str | None:
    """What a charge is under one of GROUPS."""
    match name:
        case "day":
            return charge.day.isoformat()
        case "month":
            return f"{charge.day:%Y-%m}"
        case "market":
            return charge.market.name if charge.market else None
        case "category":
            return charge.category
        case _:
            value: str | None = getattr(charge.unit, name)
            return value


def _sortable(key: Sequence[str | None]) -> list[tuple[bool, str]]:
    return [(value is None, value or "") for value in key]
