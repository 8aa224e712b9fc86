"""An answer of WhatsApp's `pricing_analytics`, read (windows and pricing, section 9)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, Final, NamedTuple

from domain.billing.pricing import plain_category

DAY: Final = 90_000
"""Seconds that a day may have, with an hour more when summer time ends."""
MOST: Final = Decimal(10**15)
"""No cost is higher, so that none is too long to be written."""
FINEST: Final = -60
"""No cost has more places, for the same reason."""
FREE_ENTRY_POINT: Final = "free_entry_point"
_WORD: Final = re.compile(r"[\w -]{1,100}", re.ASCII)


class Told(NamedTuple):
    """What pricing analytics tell together."""

    day: str
    country: str | None
    category: str | None
    """None of a free entry point: WhatsApp names none."""
    type: str
    """regular, free_customer_service or free_entry_point."""


class Point(NamedTuple):
    """How many messages, and their cost; None where WhatsApp hides it."""

    volume: int
    cost: Decimal | None

    def plus(self, more: Point) -> Point:
        """Both together."""
        known = [cost for cost in (self.cost, more.cost) if cost is not None]
        return Point(self.volume + more.volume, sum(known, Decimal(0)) if known else None)


NOTHING: Final = Point(0, None)


def read(data: bytes, zone: tzinfo) -> dict[Told, Point]:
    """The points of an answer in JSON by day of the zone; ValueError says what is not as it should be."""
    try:
        answer = json.loads(data, parse_float=Decimal, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    told: dict[Told, Point] = {}
    for n, found in enumerate(_points(answer), 1):
        try:
            key, point = _point(found, zone)
        except KeyError as error:
            raise ValueError(f"data point {n} lacks {error.args[0]}") from None
        except (TypeError, ArithmeticError, AttributeError, ValueError, OSError) as error:
            why = str(error) if isinstance(error, ValueError) else "it is not as WhatsApp writes it"
            raise ValueError(f"data point {n}: {why}") from None
        told[key] = told.get(key, NOTHING).plus(point)
    return told


def merged(parts: Iterable[Mapping[Told, Point]]) -> dict[Told, Point]:
    """Several answers as one."""
    told: dict[Told, Point] = {}
    for part in parts:
        for key, point in part.items():
            told[key] = told.get(key, NOTHING).plus(point)
    return told


def _points(answer: Any) -> Iterable[Any]:
    try:
        return [point for part in answer["pricing_analytics"]["data"] for point in part["data_points"]]
    except (KeyError, TypeError):
        raise ValueError("it is no answer with pricing_analytics.data[].data_points[]") from None


def _point(point: Any, zone: tzinfo) -> tuple[Told, Point]:
    if point["end"] - point["start"] > DAY:
        raise ValueError("it holds more than a day; ask with granularity(HALF_HOUR) or (DAILY)")
    day = datetime.fromtimestamp(int(point["start"]), zone).date().isoformat()
    type_ = point["pricing_type"].lower().replace("free_group_", "free_")
    category = None if type_ == FREE_ENTRY_POINT else plain_category(point["pricing_category"])
    if not all(map(_is_word, (point["country"], category, type_))):
        raise ValueError("its country, category or type is not a word such as GB")
    told = Told(day, point["country"], category, type_)
    return told, Point(_volume(point["volume"]), _cost(point.get("cost")))


def _is_word(given: Any) -> bool:
    return given is None or (isinstance(given, str) and _WORD.fullmatch(given) is not None)


def _volume(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < MOST:
        raise ValueError("its volume is not a whole number")
    return given


def _cost(given: Any) -> Decimal | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int | Decimal):
        raise ValueError("its cost is not an amount")  # noqa: TRY004 - of the file, not of a call
    cost = Decimal(given)
    if not 0 <= cost < MOST or int(cost.as_tuple().exponent) < FINEST:
        raise ValueError("its cost is not an amount")
    return cost


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")
