"""Why places of pricing analytics hold more or fewer messages than ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from domain.billing.analytics import FREE_ENTRY_POINT, Told
from domain.billing.pricing import SERVICE
from domain.billing.reconciling import LOST_STATUS

NOT_TOLD: Final = "not_told"
_ORDER: Final = ("category", "free_tier", "window", FREE_ENTRY_POINT, "zone_edge", "market")


class Cause(NamedTuple):
    """The likely cause of a difference; `elsewhere` has what the place lacks, or lacks what it has."""

    name: str
    elsewhere: Told | None = None


def explained(differences: Mapping[Told, int]) -> dict[Told, Cause]:
    """The cause of each difference (ours less WhatsApp's) that is not zero.

    Two places with opposite differences that one cause would explain belong together, best where they are
    of the same size. Alone, what we have less was lost on its way, and what we have more was not told.
    """
    by_day: dict[str, list[Told]] = defaultdict(list)
    for place, difference in differences.items():
        if difference:
            by_day[place.day].append(place)
    near = {day: [other for one in _around(day) for other in by_day.get(one, ())] for day in [*by_day]}
    return {
        place: _cause(place, differences, near[day]) for day, places in by_day.items() for place in places
    }


def sortable(place: Told) -> list[str]:
    """Places in order, those without a country or category first."""
    return [part or "" for part in place]


def _cause(place: Told, differences: Mapping[Told, int], near: Sequence[Told]) -> Cause:
    difference = differences[place]
    found = [
        (differences[other] != -difference, _ORDER.index(name), Cause(name, other))
        for other in near
        if differences[other] * difference < 0 and (name := _apart(place, other))
    ]
    if found:
        return min(found, key=lambda one: one[:2])[2]
    return Cause(LOST_STATUS if difference < 0 else NOT_TOLD)


def _apart(one: Told, other: Told) -> str | None:
    """What would explain that a message stands in one place here and in the other at WhatsApp."""
    apart = {name for name in Told._fields if getattr(one, name) != getattr(other, name)}
    if FREE_ENTRY_POINT in (one.type, other.type) and "type" in apart:
        return FREE_ENTRY_POINT if apart <= {"category", "type"} else None
    if apart == {"type"}:
        return "free_tier" if one.category == SERVICE else "window"
    if apart in ({"category"}, {"category", "type"}):
        return "category"
    return {"day": "zone_edge", "country": "market"}.get(apart.pop()) if len(apart) == 1 else None


def _around(day: str) -> Iterator[str]:
    yield from ((date.fromisoformat(day) + timedelta(days=days)).isoformat() for days in (-1, 0, 1))
