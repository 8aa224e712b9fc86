"""Our charges against WhatsApp's own pricing of each message."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from domain.billing.pricing import SERVICE, Charge, plain_category

LISTED: Final = 1_000
"""Messages that are named one by one."""
LOST_STATUS: Final = "lost_status"
_ZONES: Final = (timedelta(hours=-12), timedelta(hours=14))
"""The zones where a day begins last and first, from UTC."""


def cause_of(charge: Charge) -> str | None:
    """Why WhatsApp most likely prices it otherwise; None where it does not, or there is nothing to compare.

    category: it charges another one; lost_status: no status brought its price; zone_edge: the month may be
    another one in its zone; free_tier: it counts the line's free messages otherwise; window: it sees the
    window otherwise; terms: anything else.
    """
    if charge.lacks == "era" or charge.free_because == "reaction":
        return None
    unit = charge.unit
    told = plain_category((unit.pricing or {}).get("category"))
    if unit.billable_whatsapp is None:
        return LOST_STATUS
    if told and charge.category and told != charge.category:
        return "category"
    if unit.billable_whatsapp == charge.billable:
        return None
    if _at_edge(charge):
        return "zone_edge"
    return {SERVICE: "free_tier", "utility": "window"}.get(charge.category or "", "terms")


def _at_edge(charge: Charge) -> bool:
    """Whether its month is another one in some zone: free tiers and terms begin with a month."""
    return any(day[:7] != f"{charge.day:%Y-%m}" for day in days_in_all_zones(charge))


def days_in_all_zones(charge: Charge) -> tuple[str, str]:
    """The earliest and the latest day that it is anywhere when a message is charged."""
    at = datetime.fromtimestamp(charge.unit.at, UTC)
    earliest, latest = ((at + offset).date().isoformat() for offset in _ZONES)
    return earliest, latest


@dataclass(slots=True)
class _Group:
    delivered: int = 0
    billable: int = 0
    billable_whatsapp: int = 0
    untold: int = 0
    differing: int = 0


class Differences:
    """Charges against the pricing that WhatsApp gave each message."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str, str], _Group] = defaultdict(_Group)
        self._causes: Counter[str] = Counter()
        self._messages: list[dict[str, Any]] = []

    def see(self, charge: Charge) -> None:
        """One more charge."""
        theirs, told = charge.unit.billable_whatsapp, (charge.unit.pricing or {}).get("category")
        group = self._groups[
            charge.day.isoformat(), charge.unit.line or "", charge.category or "", told or ""
        ]
        cause = cause_of(charge)
        group.delivered += 1
        group.billable += charge.billable
        group.billable_whatsapp += theirs is True
        group.untold += theirs is None
        group.differing += cause not in (None, LOST_STATUS)
        if cause is None:
            return
        self._causes[cause] += 1
        if len(self._messages) < LISTED:
            self._messages.append(_named(charge, cause))

    def shown(self) -> dict[str, Any]:
        """The groups by day, line and category; how often each cause; the first messages that differ."""
        names = ("day", "line", "category", "category_whatsapp")
        counts = tuple(_Group.__slots__)
        rows = [
            {name: word or None for name, word in zip(names, key, strict=True)}
            | {name: getattr(group, name) for name in counts}
            for key, group in sorted(self._groups.items())
        ]
        return {
            "rows": rows,
            "totals": {name: sum(row[name] for row in rows) for name in counts},
            "causes": dict(sorted(self._causes.items())),
            "messages": self._messages,
            "messages_left_out": self._causes.total() - len(self._messages),
        }


def _named(charge: Charge, cause: str) -> dict[str, Any]:
    unit, told = charge.unit, charge.unit.pricing or {}
    theirs = {True: "billable", False: "free", None: None}[unit.billable_whatsapp]
    return {
        "cause": cause,
        "message_key": str(unit.message_key),
        "send_id": str(unit.send_id) if unit.send_id else None,
        "position": unit.position,
        "day": charge.day.isoformat(),
        "ours": "billable" if charge.billable else charge.free_because,
        "whatsapp": told.get("type") or theirs,
        "category": charge.category,
        "category_whatsapp": told.get("category"),
    }
