"""Whether the rates of a card leave nothing out and say nothing twice: lines, and what is wrong in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise

from domain.billing.rates import Card, Rate


def tiers_wrong(rates: Sequence[Rate]) -> Iterator[tuple[int, str]]:
    """Tiers of one market, category and time must begin with the first message and leave nothing out."""
    before: Rate | None = None
    for rate in sorted(rates, key=lambda one: (*_term(one), one.lower, one.line)):
        if before is None or _term(rate) != _term(before):
            if before is not None and before.upper is not None:
                yield before.line, "no tier follows; the last one ends with MAX"
            if rate.lower != 1:
                yield rate.line, f"the first tier begins with {rate.lower}, not with 1"
        elif before.upper is None or rate.lower <= before.upper:
            yield rate.line, f"the tier overlaps that of line {before.line}"
        elif rate.lower != before.upper + 1:
            yield rate.line, f"a gap: the tier of line {before.line} ends with {before.upper}"
        before = rate
    if before is not None and before.upper is not None:
        yield before.line, "no tier follows; the last one ends with MAX"


def overlaps(rates: Sequence[Rate], beside: Sequence[Card]) -> Iterator[tuple[int, str]]:
    """Times of one market and category must neither overlap, nor leave days out within the file."""
    others = [(rate, card.card_id) for card in beside for rate in card.rates if rate.lower == 1]
    mine = [(rate, "") for rate in rates if rate.lower == 1]
    ordered = sorted(mine + others, key=lambda one: (*_term(one[0])[:4], one[1]))
    for (a, card_a), (b, card_b) in pairwise(ordered):
        is_one_term = card_a == card_b and _term(a) == _term(b)  # which is for tiers_wrong to judge
        if _term(a)[:3] != _term(b)[:3] or (card_a and card_b) or is_one_term:
            continue
        line, other = (b.line, a.line) if not card_b else (a.line, b.line)
        where = f"line {other}" if card_a == card_b else f"card {card_a or card_b}, line {other}"
        if a.valid_from == b.valid_from or (a.valid_to and a.valid_to > b.valid_from):
            yield line, f"overlaps {where}"
        elif card_a == card_b and a.valid_to and a.valid_to < b.valid_from:
            yield line, f"a gap: the rate of {where} ends {a.valid_to}"


def _term(rate: Rate) -> tuple[str, str, str, date, date]:
    return rate.currency, rate.market, rate.category, rate.valid_from, rate.valid_to or date.max
