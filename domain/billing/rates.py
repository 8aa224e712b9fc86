"""Rates, the cards they stand in, and which of them a message costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class Rate:
    """What one message costs: a line of a card."""

    market: str
    category: str
    valid_from: date
    valid_to: date | None
    lower: int
    upper: int | None
    """Of the month's charged messages, both inclusive; None: all above."""
    rate: Decimal
    currency: str
    line: int
    """In the file."""

    def holds(self, day: date, rank: int) -> bool:
        """Whether it is the rate of the month's charged message number `rank` at a day."""
        is_valid = self.valid_from <= day and (self.valid_to is None or day < self.valid_to)
        return is_valid and self.lower <= rank and (self.upper is None or rank <= self.upper)


class Span(NamedTuple):
    """Days, both inclusive."""

    first: date
    last: date

    def nearest(self, day: date) -> date:
        """The day itself, or the end that it is beyond."""
        return min(max(day, self.first), self.last)


EVER: Final = Span(date.min, date.max)


@dataclass(frozen=True, slots=True)
class Card:
    """A card that is right in itself."""

    card_id: str
    """Of its content: the same rates have the same id."""
    rates: tuple[Rate, ...]
    text: str

    @property
    def span(self) -> Span:
        """The first and the last day on which it has a price for anything."""
        ends = [rate.valid_to for rate in self.rates]
        last = date.max if None in ends else max(end for end in ends if end) - timedelta(days=1)
        return Span(min(rate.valid_from for rate in self.rates), last)

    @property
    def comments(self) -> list[str]:
        """What the file says of itself, such as its source."""
        return [line[1:].strip() for line in self.text.splitlines() if line.startswith("#")]


class Found(NamedTuple):
    """A rate and the card it stands in."""

    rate: Rate
    card_id: str


Index = Mapping[tuple[str, str], Sequence[Found]]


class Rates:
    """All rates of one currency."""

    def __init__(self, currency: str, *cards: Iterable[Card]) -> None:
        """`cards`: where several groups have a rate, the first one's counts."""
        self._indexes = tuple(_index(group, currency) for group in cards)
        self._in_force: dict[tuple[str, str, date], Sequence[Found]] = {}

    def find(self, market: str, category: str, day: date, rank: int) -> Found | None:
        """The rate of the `rank`th charged message of the month.

        Of those begun the newest ends the others: when it is over, none of them comes back.
        """
        at = market, category, day
        if at not in self._in_force:
            self._in_force[at] = [*self._newest(*at)]
        return next((one for one in self._in_force[at] if one.rate.holds(day, rank)), None)

    def _newest(self, market: str, category: str, day: date) -> Iterator[Found]:
        for index in self._indexes:
            of_key = index.get((market, category), ())
            begun = next((found.rate.valid_from for found in of_key if found.rate.valid_from <= day), None)
            yield from (found for found in of_key if found.rate.valid_from == begun)


def _index(cards: Iterable[Card], currency: str) -> Index:
    index: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for card in cards:
        for rate in card.rates:
            if rate.currency == currency:
                index[rate.market, rate.category].append(Found(rate, card.card_id))
    for found in index.values():
        found.sort(key=lambda one: one.rate.valid_from, reverse=True)
    return index
