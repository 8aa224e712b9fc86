from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from charged import LINE, at, card, charges, sent, status, tiered
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing.analytics import Point, Told, read
from domain.billing.comparing import Comparison
from domain.billing.eras import eras
from domain.billing.pricing import Charge, accrual
from domain.billing.rates import Rates
from domain.billing.reconciling import Differences, cause_of
from domain.events import Event
from domain.markets import country_of

ANSWER = Path(__file__).parents[1] / "payloads" / "cloud_pricing_analytics_response.json"
RATES = Rates("USD", [card(*tiered("United Kingdom", "utility", "0.022"))])
NOON = at("2026-11-21T12:00")
REGULAR = {"type": "regular", "category": "utility"}


def key(n: int) -> str:
    return str(UUID(int=n))


def template(n: int, pricing: dict[str, Any] | None) -> list[Event]:
    return [*sent(key(n), NOON, category="utility"), status("delivered", NOON + n, key(n), pricing=pricing)]


def test_a_message_that_whatsapp_prices_otherwise_is_named() -> None:
    differences = Differences()
    history = template(1, REGULAR) + template(2, REGULAR | {"type": "free_customer_service"})
    for charge in charges(history + template(3, None), RATES):
        differences.see(charge)

    found = differences.shown()

    assert found["totals"] == {
        "delivered": 3,
        "billable": 3,
        "billable_whatsapp": 1,
        "untold": 1,
        "differing": 1,
    }
    assert [row["category_whatsapp"] for row in found["rows"]] == [None, "utility"]
    told = [(one["message_key"], one["cause"], one["ours"], one["whatsapp"]) for one in found["messages"]]
    assert told == [
        (key(2), "window", "billable", "free_customer_service"),
        (key(3), "lost_status", "billable", None),
    ]
    assert (found["causes"], found["messages_left_out"]) == ({"lost_status": 1, "window": 1}, 0)
    assert {row["line"] for row in found["rows"]} == {LINE}


def answer(*points: tuple[str, str, str, int]) -> bytes:
    """An answer about one day: country, category, type and volume."""
    start = at("2026-11-21T00:00")
    told = [
        {"start": start, "end": start + 1800, "country": country, "pricing_category": category}
        | {"pricing_type": type_, "volume": volume}
        for country, category, type_, volume in points
    ]
    return orjson.dumps({"pricing_analytics": {"data": [{"data_points": told}]}})


def compared(told: dict[Told, Point], found: list[Charge], lost: Sequence[Charge] = ()) -> dict[str, Any]:
    comparison = Comparison(told)
    for charge in found:
        comparison.see(charge)
    for charge in found if comparison.has_excess else ():
        comparison.name(charge)
    comparison.miss(lost)
    return comparison.shown()


def test_an_answer_is_compared_by_day_country_category_and_type() -> None:
    told = read(ANSWER.read_bytes(), UTC)
    history = [event for n in range(1, 121) for event in template(n, REGULAR)]
    history += [*sent(key(500), NOON), status("delivered", NOON, key(500))]
    history += [*sent(key(501), NOON, type="reaction"), status("delivered", NOON, key(501))]

    found = compared(told, charges(history, RATES))

    free, regular = found["rows"]
    assert told[Told("2026-11-21", "GB", "utility", "regular")] == (120, Decimal("2.64"))
    assert (regular["cost"], regular["cost_whatsapp"], regular["agrees"]) == ("2.64", "2.64", True)
    figures = ("category", "volume", "volume_whatsapp", "agrees", "cause")
    assert [free[name] for name in figures] == ["service", 1, 40, False, "lost_status"]
    assert found["totals"] == {"volume": 121, "volume_whatsapp": 160, "differing": 1}


def test_a_changed_category_is_told_with_the_messages_whose_status_says_so() -> None:
    history = template(1, REGULAR) + template(2, REGULAR | {"category": "marketing"}) + template(3, REGULAR)
    told = read(answer(("GB", "UTILITY", "REGULAR", 2), ("GB", "MARKETING", "REGULAR", 1)), UTC)

    found = compared(told, charges(history, RATES))

    marketing, utility = found["rows"]
    assert (utility["cause"], utility["elsewhere"]) == ("category", "marketing")
    assert (marketing["cause"], marketing["elsewhere"]) == ("category", "utility")
    [named] = found["messages"]
    assert (named["message_key"], named["cause"], named["evident"]) == (key(2), "category", True)
    assert found["causes"] == {"category": 2}


def test_a_free_message_that_whatsapp_charges_is_the_free_tiers() -> None:
    charged = REGULAR | {"category": "service"}
    history = [*sent(key(1), NOON), status("delivered", NOON, key(1), pricing=charged)]
    told = read(answer(("GB", "SERVICE", "REGULAR", 1)), UTC)

    found = compared(told, charges(history, RATES))

    assert [row["cause"] for row in found["rows"]] == ["free_tier", "free_tier"]
    assert [(one["message_key"], one["evident"]) for one in found["messages"]] == [(key(1), True)]


def test_messages_of_another_day_are_those_nearest_to_midnight() -> None:
    history: list[Event] = []
    for n, text in enumerate(("2026-11-21T09:00", "2026-11-21T23:10", "2026-11-21T23:50"), 1):
        history += sent(key(n), at(text), category="utility")
        history.append(status("delivered", at(text), key(n), pricing=REGULAR))
    told = read(answer(("GB", "UTILITY", "REGULAR", 1)), UTC)
    told[Told("2026-11-22", "GB", "utility", "regular")] = Point(2, None)

    found = compared(told, charges(history, RATES))

    assert [(row["cause"], row["elsewhere"]) for row in found["rows"]] == [
        ("zone_edge", "2026-11-22"),
        ("zone_edge", "2026-11-21"),
    ]
    assert {one["message_key"] for one in found["messages"]} == {key(2), key(3)}


def test_another_country_is_a_matter_of_the_market() -> None:
    history = sent(key(1), NOON, category="utility", market="bsuid:GB")
    history.append(status("delivered", NOON, key(1), market="bsuid:GB", pricing=REGULAR))
    told = read(answer(("FR", "UTILITY", "REGULAR", 1)), UTC)

    found = compared(told, charges(history, RATES))

    assert [(row["country"], row["cause"], row["elsewhere"]) for row in found["rows"]] == [
        ("FR", "market", "GB"),
        ("GB", "market", "FR"),
    ]
    assert [(one["message_key"], one["evident"]) for one in found["messages"]] == [(key(1), True)]


def test_a_lost_status_names_sends_that_nobody_knows_to_be_delivered() -> None:
    found = charges(template(1, REGULAR), RATES)
    lost = [
        accrual(replace(found[0].unit, send_id=UUID(int=n), prefix=prefix), eras=eras(), zone=UTC)
        for n, prefix in ((70, "49"), (71, "44"), (72, "44"))
    ]
    told = read(answer(("GB", "UTILITY", "REGULAR", 2)), UTC)

    shown = compared(told, found, lost)

    assert shown["causes"] == {"lost_status": 1}
    assert [(one["send_id"], one["evident"]) for one in shown["messages"]] == [(key(71), False)]


def test_what_whatsapp_does_not_tell_and_what_it_prices_otherwise() -> None:
    not_told = compared({}, charges(template(1, None), RATES))
    dearer = read(ANSWER.read_bytes().replace(b"2.64", b"3.00"), UTC)
    history = [event for n in range(1, 121) for event in template(n, REGULAR)]
    rate = compared(dearer, charges(history, RATES))
    missing = compared(dearer, charges(history, Rates("USD", [])))

    assert (not_told["causes"], not_told["messages"][0]["message_key"]) == ({"not_told": 1}, key(1))
    assert rate["rows"][1]["cause"] == "rate"
    assert missing["rows"][1]["cause"] == "missing_rate"


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("MARKETING_LITE_DYNAMIC", "marketing"),
        ("AUTHENTICATION_INTERNATIONAL", "authentication-international"),
        ("GROUP_UTILITY", "utility"),
    ],
)
def test_words_of_the_analytics_are_our_categories(word: str, category: str) -> None:
    assert [told.category for told in read(answer(("GB", word, "REGULAR", 1)), UTC)] == [category]


def test_costs_are_decimals_from_the_first_digit_on_and_may_be_hidden() -> None:
    long = read(ANSWER.read_bytes().replace(b"2.64", b"0.12345678901234567890123"), UTC)
    hidden = read(answer(("GB", "UTILITY", "REGULAR", 1)), UTC)

    assert long[Told("2026-11-21", "GB", "utility", "regular")].cost == Decimal("0.12345678901234567890123")
    assert compared(hidden, [])["rows"][0]["cost_whatsapp"] is None


POINT = {"start": 0, "end": 1800, "country": "GB", "pricing_type": "REGULAR", "pricing_category": "UTILITY"}


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        (None, "it is no answer with pricing_analytics"),
        ([{"start": 0}], "data point 1 lacks end"),
        ([{"start": 0, "end": 2_600_000}], "granularity"),
        ([POINT | {"volume": 1.5}], "data point 1: its volume is not a whole number"),
        ([POINT | {"volume": -1}], "data point 1: its volume is not a whole number"),
        (
            [POINT | {"volume": 1}, POINT | {"volume": 1, "cost": "much"}],
            "data point 2: it is not as WhatsApp",
        ),
        ([POINT | {"volume": 1, "start": "then"}], "data point 1: it is not as WhatsApp"),
        (["NaN"], "data point 1: it is not as WhatsApp"),
        ([POINT | {"volume": 1, "country": 44}], "data point 1: its country, category or type"),
        ([POINT | {"volume": 1, "cost": "1e999999999"}], "data point 1: its cost is not an amount"),
        ([POINT | {"volume": 1, "cost": -1}], "data point 1: its cost is not an amount"),
    ],
)
def test_an_answer_that_can_not_be_compared_is_refused(points: object, problem: str) -> None:
    told = [] if points is None else {"pricing_analytics": {"data": [{"data_points": points}]}}
    with pytest.raises(ValueError, match=problem):
        read(orjson.dumps(told), UTC)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.just([])
)


@settings(max_examples=examples(200), deadline=None)
@given(change=st.dictionaries(st.sampled_from([*POINT, "volume", "cost"]), anything, max_size=3))
def test_whatever_a_point_holds_is_read_or_refused_in_words(change: dict[str, Any]) -> None:
    points = [POINT | {"volume": 1, "cost": 0.5} | change]
    text = json.dumps({"pricing_analytics": {"data": [{"data_points": points}]}}).encode()
    problem, told = "data point 1", {}
    try:
        told = read(text, UTC)
    except ValueError as error:
        problem = str(error)

    assert problem.startswith("data point 1")
    assert orjson.dumps(compared(told, []))


@pytest.mark.parametrize(
    "change",
    [
        {"country": "\ud800"},  # can't be written as UTF-8
        {"pricing_category": "\ud800"},
        {"country": "x" * 101},
        {"volume": 10**20},
        {"cost": "1e-400000"},
        {"cost": True},
        {"cost": [0, [1, 2], 3]},  # what Decimal makes 12000 of
    ],
)
def test_what_could_not_be_written_again_is_refused(change: dict[str, Any]) -> None:
    points = [POINT | {"volume": 1} | change]
    with pytest.raises(ValueError, match="data point 1: its"):
        read(json.dumps({"pricing_analytics": {"data": [{"data_points": points}]}}).encode(), UTC)


def test_a_sum_of_floats_is_an_amount() -> None:
    points = [POINT | {"volume": 1, "cost": 0.1 + 0.2 - 0.3}]
    [point] = read(orjson.dumps({"pricing_analytics": {"data": [{"data_points": points}]}}), UTC).values()
    assert point.cost == Decimal("5.551115123125783e-17")


def test_an_endless_nest_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        read(b"[" * 200_000, UTC)


def test_what_is_no_number_in_json_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN is no number"):
        read(ANSWER.read_bytes().replace(b"2.64", b"NaN"), UTC)


@pytest.mark.parametrize(
    ("pricing", "cause"),
    [
        (REGULAR, None),
        (None, "lost_status"),
        (REGULAR | {"category": "marketing"}, "category"),
        (REGULAR | {"category": "marketing_lite"}, "category"),
        (REGULAR | {"type": "free_customer_service"}, "window"),
        (REGULAR | {"type": "free_entry_point"}, None),
    ],
)
def test_the_likely_cause_of_a_messages_difference_is_named(
    pricing: dict[str, Any] | None, cause: str | None
) -> None:
    [charge] = charges(template(1, pricing), RATES)

    assert cause_of(charge) == cause


def test_a_difference_in_the_last_hours_of_a_month_is_the_zones_and_else_the_free_tiers() -> None:
    charged = {"type": "regular", "category": "service"}

    def cause(time: str) -> str | None:
        history = [*sent(key(1), at(time)), status("delivered", at(time), key(1), pricing=charged)]
        return cause_of(charges(history, RATES)[0])

    assert [cause(time) for time in ("2026-11-15T12:00", "2026-11-30T23:00", "2026-11-01T05:00")] == [
        "free_tier",
        "zone_edge",
        "zone_edge",
    ]


def test_conversations_and_reactions_are_not_compared() -> None:
    old = at("2024-05-05T12:00")
    history = sent(key(1), old, category="utility")
    history.append(status("delivered", old, key(1), pricing={"billable": True}))
    history += [*sent(key(2), NOON, type="reaction"), status("delivered", NOON, key(2))]

    assert [cause_of(charge) for charge in charges(history, RATES)] == [None, None]


@pytest.mark.parametrize(
    ("prefix", "country"),
    [
        ("44", "GB"),
        ("1415", "US"),
        ("1416", "CA"),
        ("1809", "DO"),
        ("7701", "KZ"),
        ("7495", "RU"),
        ("bsuid:FR", "FR"),
        (None, None),
    ],
)
def test_a_prefix_tells_its_country(prefix: str | None, country: str | None) -> None:
    assert country_of(prefix) == country
