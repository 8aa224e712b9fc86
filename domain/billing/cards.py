"""Rate cards: CSV of market, category, tier, rate, currency, valid_from and (exclusive) valid_to.

`tier` is empty for every volume, else `lower:upper` or `lower:MAX`: which of the month's charged messages
of the market and category it holds. Without `valid_to` a rate lasts until the next one of its market and
category begins. Columns in any order; lines that begin with # are comments.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final

from domain.billing.continuity import overlaps, tiers_wrong
from domain.billing.markets import names
from domain.billing.rates import Card, Rate
from domain.csv_rows import Cells, UnreadableError, rows

COLUMNS: Final = ("market", "category", "tier", "rate", "currency", "valid_from", "valid_to")
CATEGORIES: Final = frozenset(
    {"marketing", "utility", "authentication", "authentication-international", "service", "notification"}
)
CURRENCIES: Final = frozenset("USD AED ARS AUD BRL CLP COP EUR GBP IDR INR MXN MYR PEN SAR SGD".split())  # noqa: SIM905 - sixteen words
_AMOUNT: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,10})?")
"""So that no sum of them is ever rounded."""
_TIER: Final = re.compile(r"([0-9]{1,15}):([0-9]{1,15}|MAX)")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A file that is no card: every problem, with its line."""

    problems: list[str]


def read(text: str, *, currency: str | None = None, beside: Sequence[Card] = ()) -> Card | Wrong:
    """Check a whole file. `currency`: the only one allowed; `beside`: the cards it must not overlap."""
    problems: list[str] = []
    rates = list(_rates(text, currency, problems))
    if not rates and not problems:
        problems.append("line 1: the file holds no rates")
    if not problems:
        found = sorted([*tiers_wrong(rates), *overlaps(rates, beside)])
        problems += [f"line {line}: {what}" for line, what in found]
    if problems:
        return Wrong(problems)
    return Card(_id_of(rates), tuple(rates), text)


@cache
def shipped() -> tuple[Card, ...]:
    """The cards that come with this release; an imported rate comes before them."""
    folder = files("domain.billing") / "cards"
    cards = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        card = read(file.read_text(encoding="utf-8"))
        if isinstance(card, Wrong):
            raise ValueError(f"{file.name}: {'; '.join(card.problems)}")  # noqa: TRY004 - of our own making
        cards.append(card)
    return tuple(cards)


def _rates(text: str, currency: str | None, problems: list[str]) -> Iterator[Rate]:
    try:
        for line, cells in rows(io.StringIO(text, newline=""), COLUMNS):
            if isinstance(cells, str):
                problems.append(f"line {line}: {cells}")
            else:
                yield from _rate(cells, line, currency, problems)
    except UnreadableError as error:
        problems.append(str(error))


def _rate(cells: Cells, line: int, only: str | None, problems: list[str]) -> Iterator[Rate]:
    market, category, tier, amount, currency, first, last = (cells[name] for name in COLUMNS)
    bounds, rate, starts = _bounds(tier), _amount(amount), _day(first)
    ends = _day(last) if last else None
    wrong = [*_words_wrong(market, category, currency, only)]
    if bounds is None:
        wrong.append(f"tier {tier!r} is not empty, lower:upper or lower:MAX")
    if rate is None:
        wrong.append(f"rate {amount!r} is not an amount such as 0.0113")
    wrong += _days_wrong(first, starts, last, ends)
    problems += [f"line {line}: {one}" for one in wrong]
    if not wrong and bounds and rate is not None and starts:
        yield Rate(market, category, starts, ends, *bounds, rate, currency, line)


def _words_wrong(market: str, category: str, currency: str, only: str | None) -> Iterator[str]:
    if market not in names():
        yield f"market {market!r} is none of WhatsApp's{_meant(market)}"
    if category not in CATEGORIES:
        yield f"category {category!r} is not one of {', '.join(sorted(CATEGORIES))}"
    if only is not None and currency != only:
        yield f"currency {currency!r} is not the account's, {only}"
    elif currency not in CURRENCIES:
        yield f"currency {currency!r} is not one of {', '.join(sorted(CURRENCIES))}"


def _days_wrong(first: str, starts: date | None, last: str, ends: date | None) -> Iterator[str]:
    if starts is None:
        yield f"valid_from {first!r} is not a day such as 2026-10-01"
    if last and ends is None:
        yield f"valid_to {last!r} is not a day such as 2027-01-01"
    if starts and ends and ends <= starts:
        yield "valid_to is exclusive and must be after valid_from"


def _bounds(tier: str) -> tuple[int, int | None] | None:
    if not tier:
        return 1, None
    bounds = _TIER.fullmatch(tier)
    if bounds is None:
        return None
    low, high = max(int(bounds[1]), 1), None if bounds[2] == "MAX" else int(bounds[2])
    return (low, high) if high is None or low <= high else None


def _amount(text: str) -> Decimal | None:
    return Decimal(text) if _AMOUNT.fullmatch(text) else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _meant(market: str) -> str:
    """The market that looks most like it, if any does."""
    by_lower = {name.lower(): name for name in names()}
    near = difflib.get_close_matches(market.lower(), by_lower, n=1)
    return f"; {by_lower[near[0]]!r} is" if near else "; domain/billing/markets.csv has them all"


def _id_of(rates: Sequence[Rate]) -> str:
    lines = sorted(
        f"{r.market},{r.category},{r.lower},{r.upper},{r.rate},{r.currency},{r.valid_from},{r.valid_to}"
        for r in rates
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
