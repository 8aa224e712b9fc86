"""Random charges beside analytics that agree with them, and beside some that do not."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from charged import charges
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from test_oracle import RATES, histories

from domain.billing.analytics import Point, Told
from domain.billing.comparing import Comparison, place_of
from domain.billing.pricing import Charge
from domain.events import Event

places = st.builds(
    Told,
    st.sampled_from(["2026-09-30", "2026-10-01", "2026-10-02"]),
    st.sampled_from(["GB", "UA", None]),
    st.sampled_from(["utility", "service", None]),
    st.sampled_from(["regular", "free_customer_service", "free_entry_point"]),
)
others = st.dictionaries(places, st.integers(1, 3), max_size=4)


def compared(found: list[Charge], told: dict[Told, Point]) -> Comparison:
    comparison = Comparison(told)
    for charge in found:
        comparison.see(charge)
    for charge in found if comparison.has_excess else ():
        comparison.name(charge)
    return comparison


def counted(found: list[Charge]) -> Counter[Told]:
    return Counter(place_of(charge) for charge in found if charge.free_because != "reaction")


@settings(max_examples=examples(100), deadline=None)
@given(history=histories)
def test_what_whatsapp_counts_alike_agrees_but_for_missing_rates(history: list[Event]) -> None:
    found = charges(history, RATES)

    shown = compared(found, {place: Point(n, None) for place, n in counted(found).items()}).shown()

    assert set(shown["causes"]) <= {"missing_rate"}
    assert shown["messages"] == []
    assert shown["totals"]["volume"] == shown["totals"]["volume_whatsapp"]


@settings(max_examples=examples(100), deadline=None)
@given(history=histories, more=others, fewer=st.integers(0, 3))
def test_each_difference_has_a_cause_and_each_surplus_its_messages(
    history: list[Event], more: dict[Told, int], fewer: int
) -> None:
    found = charges(history, RATES)
    ours = counted(found)
    theirs = Counter(ours)
    theirs.subtract(dict.fromkeys(sorted(ours, key=str)[:fewer], 1))
    theirs.update(more)
    told = {place: Point(n, Decimal(0)) for place, n in theirs.items() if n > 0}

    shown = compared(found, told).shown()

    keys = {str(charge.unit.message_key) for charge in found}
    for row in shown["rows"]:
        place = Told(*(row[name] for name in Told._fields))
        surplus = ours[place] - max(theirs[place], 0)
        assert row["volume"] - row["volume_whatsapp"] == surplus
        assert row["agrees"] is (row["cause"] is None)
        named = [one for one in shown["messages"] if all(one[name] == row[name] for name in Told._fields)]
        assert surplus == 0 or row["cause"] not in (None, "rate", "missing_rate")
        assert 1 <= len(named) <= surplus if surplus > 0 else named == []
        assert {one["message_key"] for one in named} <= keys
