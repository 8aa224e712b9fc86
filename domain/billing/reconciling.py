"""Our charges against WhatsApp's own word: its pricing of each message, and its pricing analytics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, Final, NamedTuple

from domain.billing.pricing import Charge, plain_category
from domain.billing.tally import money
from domain.markets import country_of

LISTED: Final = 20
"""Messages that are named one by one."""
DAY: Final = 90_000
"""Seconds that a day may have, with an hour more when summer time ends."""


class Told(NamedTuple):
    """What pricing analytics tell together."""

    day: str
    country: str | None
    category: str | None
    """None of a free entry point: WhatsApp names none."""
    type: str
    """regular, free_customer_service or free_entry_point."""


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
        self._messages: list[dict[str, Any]] = []

    def see(self, charge: Charge) -> None:
        """One more charge."""
        theirs, told = charge.unit.billable_whatsapp, (charge.unit.pricing or {}).get("category")
        key = (charge.day.isoformat(), charge.unit.line or "", charge.category or "", told or "")
        group = self._groups[key]
        differs = theirs is not None and theirs != charge.billable
        group.delivered += 1
        group.billable += charge.billable
        group.billable_whatsapp += theirs is True
        group.untold += theirs is None
        group.differing += differs
        if differs and len(self._messages) < LISTED:
            self._messages.append(_named(charge))

    def shown(self) -> dict[str, Any]:
        """The groups by day, line and category, and the first messages that differ."""
        names = ("day", "line", "category", "category_whatsapp")
        counts = tuple(_Group.__slots__)
        rows = [
            {name: word or None for name, word in zip(names, key, strict=True)}
            | {name: getattr(group, name) for name in counts}
            for key, group in sorted(self._groups.items())
        ]
        totals = {name: sum(row[name] for row in rows) for name in counts}
        return {"rows": rows, "totals": totals, "messages": self._messages}


@dataclass(slots=True)
class _Sums:
    volume: int = 0
    cost: Decimal = field(default_factory=Decimal)


class Analytics:
    """Charges against the volumes and costs of an answer of `pricing_analytics`."""

    def __init__(self, told: Mapping[Told, tuple[int, Decimal]]) -> None:
        self._told = told
        self._ours: dict[Told, _Sums] = defaultdict(_Sums)

    def see(self, charge: Charge) -> None:
        """One more charge; reactions are not in the analytics."""
        if charge.free_because == "reaction":
            return
        type_ = _type_of(charge)
        category = None if type_ == "free_entry_point" else charge.category
        sums = self._ours[Told(charge.day.isoformat(), country_of(charge.unit.prefix), category, type_)]
        sums.volume += 1
        sums.cost += charge.cost or 0

    def shown(self) -> dict[str, Any]:
        """Both sides by day, country, category and type.

        `agrees` is about volumes: WhatsApp's costs are approximate.
        """
        rows = []
        for told in sorted(
            self._told.keys() | self._ours.keys(), key=lambda one: [part or "" for part in one]
        ):
            ours, (volume, cost) = self._ours.get(told, _Sums()), self._told.get(told, (0, Decimal(0)))
            sides = {"volume": ours.volume, "volume_whatsapp": volume}
            costs = {"cost": money(ours.cost), "cost_whatsapp": money(cost)}
            rows.append(told._asdict() | sides | costs | {"agrees": ours.volume == volume})
        return {
            "rows": rows,
            "totals": {
                "volume": sum(row["volume"] for row in rows),
                "volume_whatsapp": sum(row["volume_whatsapp"] for row in rows),
                "differing": sum(not row["agrees"] for row in rows),
            },
        }


def analytics_of(answer: Any, zone: tzinfo) -> dict[Told, tuple[int, Decimal]]:
    """The points of an answer by day of the zone; ValueError says what is not as it should be."""
    told: dict[Told, tuple[int, Decimal]] = {}
    for n, point in enumerate(_points(answer), 1):
        try:
            key, volume, cost = _point(point, zone)
        except (KeyError, TypeError, ArithmeticError, AttributeError) as error:
            raise ValueError(f"data point {n} lacks {error}") from None
        except ValueError as error:
            raise ValueError(f"data point {n}: {error}") from None
        before = told.get(key, (0, Decimal(0)))
        told[key] = (before[0] + volume, before[1] + cost)
    return told


def _points(answer: Any) -> Iterable[Any]:
    try:
        return [point for part in answer["pricing_analytics"]["data"] for point in part["data_points"]]
    except (KeyError, TypeError):
        raise ValueError("it is no answer with pricing_analytics.data[].data_points[]") from None


def _point(point: Any, zone: tzinfo) -> tuple[Told, int, Decimal]:
    if point["end"] - point["start"] > DAY:
        raise ValueError("it holds more than a day; ask with granularity(DAILY)")
    day = datetime.fromtimestamp(point["start"], zone).date().isoformat()
    type_ = point["pricing_type"].lower().replace("free_group_", "free_")
    category = None if type_ == "free_entry_point" else plain_category(point["pricing_category"])
    told = Told(day, point["country"], category, type_)
    return told, int(point["volume"]), Decimal(str(point.get("cost", 0)))


def _type_of(charge: Charge) -> str:
    if charge.free_because == "free_entry_point":
        return "free_entry_point"
    return "free_customer_service" if charge.free_because not in (None, "paid_exempt") else "regular"


def _named(charge: Charge) -> dict[str, Any]:
    unit, told = charge.unit, charge.unit.pricing or {}
    return {
        "message_key": str(unit.message_key),
        "send_id": str(unit.send_id) if unit.send_id else None,
        "position": unit.position,
        "day": charge.day.isoformat(),
        "ours": "billable" if charge.billable else charge.free_because,
        "whatsapp": told.get("type") or ("billable" if told.get("billable") else "free"),
        "category": charge.category,
        "category_whatsapp": told.get("category"),
    }
