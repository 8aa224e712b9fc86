"""Our charges against the volumes and costs of WhatsApp's `pricing_analytics`, and why they differ."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from domain.billing.analytics import FREE_ENTRY_POINT, NOTHING, Point, Told
from domain.billing.explaining import Cause, explained, sortable
from domain.billing.pricing import Charge, plain_category
from domain.billing.reconciling import LOST_STATUS, days_in_all_zones
from domain.billing.tally import money
from domain.markets import country_of

LISTED: Final = 100
"""Messages that are named for one row."""
CLOSE: Final = Decimal("0.01")
"""Costs agree when they differ by no more of WhatsApp's: it calls its own approximate."""
NO_CAUSE: Final = (None, None)


@dataclass(slots=True)
class _Sums:
    volume: int = 0
    cost: Decimal = field(default_factory=Decimal)
    lacking: int = 0


@dataclass(slots=True)
class _Names:
    """Messages of a row that has too many: those that show the cause, and others."""

    cause: str
    elsewhere: Told | None
    evident: deque[Charge]
    others: list[Charge] = field(default_factory=list)


class Comparison:
    """Shown every charge: `see` them all; then `name` them all where it `has_excess`."""

    def __init__(self, told: Mapping[Told, Point]) -> None:
        self._told = told
        self._ours: dict[Told, _Sums] = defaultdict(_Sums)
        self._causes: dict[Told, Cause] | None = None
        self._names: dict[Told, _Names] = {}
        self._lost: list[tuple[Told, Charge]] = []

    @property
    def volume_told(self) -> int:
        """Messages that WhatsApp tells of."""
        return sum(point.volume for point in self._told.values())

    def see(self, charge: Charge) -> None:
        """One more charge; reactions are not in the analytics."""
        if charge.free_because == "reaction":
            return
        sums = self._ours[place_of(charge)]
        sums.volume += 1
        sums.cost += charge.cost or 0
        sums.lacking += charge.cost is None

    def name(self, charge: Charge) -> None:
        """Keep a message of a row that has more than WhatsApp told."""
        place = place_of(charge)
        cause, elsewhere = self._caused().get(place, NO_CAUSE)
        excess = self._difference(place)
        if cause is None or excess <= 0 or charge.free_because == "reaction":
            return
        most = min(excess, LISTED)
        names = self._names.setdefault(place, _Names(cause, elsewhere, deque(maxlen=most)))
        if _shows(charge, cause, elsewhere):
            if len(names.evident) < most or _is_later(place, elsewhere):
                names.evident.append(charge)
        elif len(names.others) < most:
            names.others.append(charge)

    @property
    def has_excess(self) -> bool:
        """Whether a row has more than WhatsApp told; then `name`, once more, every charge."""
        return any(self._difference(place) > 0 for place in self._caused())

    @property
    def has_lost(self) -> bool:
        """Whether WhatsApp delivered more than we were told of; then `miss` what was not delivered."""
        return any(cause == LOST_STATUS for cause, _ in self._caused().values())

    def miss(self, sends: Iterable[Charge]) -> None:
        """Sends that WhatsApp took and that nobody knows to have been delivered."""
        lost = [key for key, (cause, _) in self._caused().items() if cause == LOST_STATUS]
        wanted = {key: min(-self._difference(key), LISTED) for key in lost}
        for send in sends:
            key = next((key for key, more in wanted.items() if more and _may_be(send, key)), None)
            if key is not None:
                wanted[key] -= 1
                self._lost.append((key, send))

    def shown(self) -> dict[str, Any]:
        """Both sides by day, country, category and type, with the likely cause where they differ."""
        rows = [self._row(key) for key in sorted(self._told.keys() | self._ours.keys(), key=sortable)]
        return {
            "rows": rows,
            "totals": {
                "volume": sum(row["volume"] for row in rows),
                "volume_whatsapp": sum(row["volume_whatsapp"] for row in rows),
                "differing": sum(not row["agrees"] for row in rows),
            },
            "causes": dict(sorted(Counter(cause for cause, _ in self._caused().values()).items())),
            "messages": list(self._messages()),
        }

    def _row(self, key: Told) -> dict[str, Any]:
        ours, theirs = self._ours.get(key, _Sums()), self._told.get(key, NOTHING)
        cause, elsewhere = self._caused().get(key, NO_CAUSE)
        return key._asdict() | {
            "volume": ours.volume,
            "volume_whatsapp": theirs.volume,
            "cost": money(ours.cost),
            "cost_whatsapp": None if theirs.cost is None else money(theirs.cost),
            "agrees": cause is None,
            "cause": cause,
            "elsewhere": None if elsewhere is None else _otherwise(key, elsewhere),
        }

    def _messages(self) -> Iterator[dict[str, Any]]:
        for key in sorted(self._names, key=sortable):
            names = self._names[key]
            for charge in names.evident or names.others:
                yield _named(key, charge, names.cause, evident=bool(names.evident))
        for key, send in self._lost:
            yield _named(key, send, LOST_STATUS, evident=False)

    def _difference(self, key: Told) -> int:
        return (self._ours[key].volume if key in self._ours else 0) - self._told.get(key, NOTHING).volume

    def _caused(self) -> dict[Told, Cause]:
        if self._causes is None:
            self._causes = dict(self._explained())
        return self._causes

    def _explained(self) -> Iterator[tuple[Told, Cause]]:
        keys = sorted(self._told.keys() | self._ours.keys(), key=sortable)
        yield from explained({key: self._difference(key) for key in keys}).items()
        for key in keys:
            if not self._difference(key) and (cause := self._cost_differs(key)):
                yield key, Cause(cause)

    def _cost_differs(self, key: Told) -> str | None:
        ours, theirs = self._ours.get(key, _Sums()), self._told.get(key, NOTHING).cost
        if ours.lacking:
            return "missing_rate"
        return "rate" if theirs is not None and abs(ours.cost - theirs) > CLOSE * theirs else None


def place_of(charge: Charge) -> Told:
    """Where the analytics count a charge."""
    type_ = "regular" if charge.free_because in (None, "paid_exempt") else "free_customer_service"
    if charge.free_because == FREE_ENTRY_POINT:
        type_ = FREE_ENTRY_POINT
    category = None if type_ == FREE_ENTRY_POINT else charge.category
    return Told(charge.day.isoformat(), country_of(charge.unit.prefix), category, type_)


def _shows(charge: Charge, cause: str, elsewhere: Told | None) -> bool:
    """Whether the message itself tells that it belongs elsewhere."""
    told = charge.unit.pricing or {}
    if elsewhere is None:
        return not told
    match cause:
        case "category":
            return plain_category(told.get("category")) == elsewhere.category
        case "zone_edge":
            return elsewhere.day in days_in_all_zones(charge)
        case "market":
            return charge.market is None or charge.market.estimated
        case _:
            return str(told.get("type")).replace("free_group_", "free_") == elsewhere.type


def _may_be(send: Charge, place: Told) -> bool:
    """Whether a send would be counted there; its category may not be known."""
    about = (send.day.isoformat(), country_of(send.unit.prefix))
    return about == (place.day, place.country) and send.category in (None, place.category)


def _is_later(place: Told, elsewhere: Told | None) -> bool:
    return elsewhere is not None and elsewhere.day > place.day


def _otherwise(key: Told, elsewhere: Told) -> str:
    """What is otherwise about the other place."""
    pairs = zip(key, elsewhere, strict=True)
    return " ".join(there or "-" for here, there in pairs if here != there)


def _named(key: Told, charge: Charge, cause: str, *, evident: bool) -> dict[str, Any]:
    unit = charge.unit
    return key._asdict() | {
        "cause": cause,
        "evident": evident,
        "message_key": str(unit.message_key) if unit.message_key.int else None,
        "send_id": str(unit.send_id) if unit.send_id else None,
        "position": unit.position or None,
    }
