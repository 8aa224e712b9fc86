"""Cases that were counted by hand."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from uuid import UUID

import pytest
from charged import LINE, OTHER_LINE, at, card, charges, sent, status, tiered, units

from domain.billing.eras import always, eras
from domain.billing.pricing import Charge, Pricer, accrual
from domain.billing.rates import Rates
from domain.events import Event

UK = "United Kingdom"
RATES = Rates(
    "USD",
    [
        card(
            *tiered(UK, "marketing", "0.0529"),
            *tiered(UK, "utility", "0.022", "0.020", "0.018"),
            *tiered(UK, "authentication", "0.022", "0.020", "0.018"),
            *tiered(UK, "authentication-international", "0.05"),
            *tiered(UK, "notification", "0.06", "0.05", "0.04"),
        )
    ],
)
NOVEMBER = at("2026-11-10T12:00")
DAY = 86_400


def key(n: int) -> str:
    return str(UUID(int=n))


def one(history: list[Event], zone: str = "UTC") -> Charge:
    [charge] = charges(history, RATES, zone)
    return charge


def said(charge: Charge) -> tuple[str | None, bool, Decimal | None]:
    return charge.free_because, charge.billable, charge.cost


def delivered(n: int, time: int, **told: object) -> list[Event]:
    line = told.get("line", LINE)
    return [*sent(key(n), time - 5, **told), status("delivered", time, key(n), line=line)]  # type: ignore[arg-type]


def test_the_thousandth_service_message_is_free_and_the_next_is_charged() -> None:
    history = [event for n in range(1, 1003) for event in delivered(n, NOVEMBER + n)]

    told = [said(charge) for charge in charges(history, RATES)]

    assert told[:1000] == [("free_tier", False, 0)] * 1000
    assert told[1000:] == [(None, True, Decimal("0.022"))] * 2


def test_an_older_message_that_arrives_later_takes_its_place_in_the_free_tier() -> None:
    history = [event for n in range(1, 1002) for event in delivered(n, NOVEMBER + n)]
    late = delivered(5000, NOVEMBER - DAY)

    before = [charge.unit.message_key.int for charge in charges(history, RATES) if charge.billable]
    after = [charge.unit.message_key.int for charge in charges(history + late, RATES) if charge.billable]

    assert (before, after) == ([1001], [1000, 1001])


def test_the_free_tier_is_each_lines_and_each_months_own() -> None:
    history = [event for n in range(1, 1001) for event in delivered(n, NOVEMBER + n)]
    history += delivered(2001, NOVEMBER + 5000, line=OTHER_LINE)
    history += delivered(2002, at("2026-11-30T23:59:59"))
    history += delivered(2003, at("2026-12-01T00:00:00"))

    told = {charge.unit.message_key.int: charge.free_because for charge in charges(history, RATES)}

    assert (told[2001], told[2002], told[2003]) == ("free_tier", None, "free_tier")


def test_what_is_free_anyway_takes_nothing_of_the_free_tier() -> None:
    history = [event for n in range(1, 1001) for event in delivered(n, NOVEMBER + n)]
    history += delivered(2001, NOVEMBER, type="reaction")
    history += [status("delivered", NOVEMBER, key(2002), pricing={"type": "free_entry_point"})]

    told = {charge.unit.message_key.int: charge.free_because for charge in charges(history, RATES)}

    assert (told[2001], told[2002], told[1000]) == ("reaction", "free_entry_point", "free_tier")


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2026-10-24T21:59:59", "2026-10-24"),
        ("2026-10-24T22:00:00", "2026-10-25"),
        ("2026-10-25T00:59:59", "2026-10-25"),
        ("2026-10-25T01:00:00", "2026-10-25"),
        ("2026-10-25T22:59:59", "2026-10-25"),
        ("2026-10-25T23:00:00", "2026-10-26"),
    ],
)
def test_days_are_the_zones_also_when_summer_time_ends(time: str, day: str) -> None:
    assert one(delivered(1, at(time)), "Europe/Berlin").day.isoformat() == day


def test_a_tier_is_crossed_by_two_lines_together_and_in_order() -> None:
    history = []
    for n, line in enumerate((LINE, OTHER_LINE, LINE, OTHER_LINE, LINE)):
        history += delivered(n + 1, NOVEMBER + 10 * n, category="utility", line=line)
    history += delivered(9, NOVEMBER + 15, category="authentication")

    told = [(charge.category, charge.cost) for charge in charges(list(reversed(history)), RATES)]

    of_utility = [cost for category, cost in told if category == "utility"]
    assert of_utility == [Decimal(rate) for rate in ("0.022", "0.022", "0.020", "0.020", "0.018")]
    assert [cost for category, cost in told if category == "authentication"] == [Decimal("0.022")]


def test_a_free_message_fills_no_tier() -> None:
    history = []
    for n in range(3):
        history += delivered(n + 1, NOVEMBER + n, category="utility")
    history.append(status("sent", NOVEMBER, key(1), pricing={"type": "free_entry_point"}))

    assert [charge.cost for charge in charges(history, RATES)] == [0, Decimal("0.022"), Decimal("0.022")]


def test_the_category_is_that_of_the_dispatch() -> None:
    history = delivered(1, NOVEMBER, category="utility")
    history.append(status("sent", NOVEMBER, key(1), pricing={"type": "regular", "category": "marketing"}))

    charge = one(history)

    assert (charge.category, charge.cost) == ("utility", Decimal("0.022"))


def test_whether_an_authentication_is_international_whatsapp_says() -> None:
    history = delivered(1, NOVEMBER, category="authentication")
    told = {"type": "regular", "category": "authentication-international"}
    history.append(status("delivered", NOVEMBER, key(1), pricing=told))

    assert (one(history).category, one(history).cost) == ("authentication-international", Decimal("0.05"))


@pytest.mark.parametrize(
    ("time", "zone", "told"),
    [
        ("2026-09-30T23:59:59", "UTC", ("window", False, Decimal(0))),
        ("2026-10-01T00:00:00", "UTC", (None, True, Decimal("0.022"))),
        ("2026-09-30T21:59:59", "Europe/Berlin", ("window", False, Decimal(0))),
        ("2026-09-30T22:00:00", "Europe/Berlin", (None, True, Decimal("0.022"))),
    ],
)
def test_utility_in_the_window_is_free_until_the_last_second_of_september(
    time: str, zone: str, told: tuple[str | None, bool, Decimal]
) -> None:
    history = delivered(1, at(time), category="utility", window_until=at(time) + 600)

    assert said(one(history, zone)) == told


def test_utility_after_the_window_is_charged_in_september() -> None:
    time = at("2026-09-10T12:00")

    assert said(one(delivered(1, time, category="utility", window_until=time - 5))) == (
        None,
        True,
        Decimal("0.022"),
    )
    assert one(delivered(1, time, category="utility", window_until=time - 4)).free_because == "window"


def test_a_free_entry_point_makes_marketing_free() -> None:
    history = delivered(1, NOVEMBER, category="marketing")
    entry = {"origin": "referral_conversion", "expires_at": NOVEMBER + DAY}
    history.append(status("sent", NOVEMBER - 5, key(1), conversation=entry))

    assert said(one(history)) == ("free_entry_point", False, 0)


def test_paid_exempt_is_free() -> None:
    history = delivered(1, NOVEMBER)
    told = {"type": "regular", "category": "service", "subtype": "paid_exempt"}
    history.append(status("delivered", NOVEMBER, key(1), pricing=told))

    assert said(one(history)) == ("paid_exempt", False, 0)


@pytest.mark.parametrize("word", ["read", "played"])
def test_reading_and_playing_prove_the_delivery(word: str) -> None:
    history = [*sent(key(1), NOVEMBER, category="marketing"), status(word, NOVEMBER + 60, key(1))]

    assert (one(history).unit.at, one(history).cost) == (NOVEMBER + 60, Decimal("0.0529"))


def test_the_oldest_proof_of_delivery_is_the_time() -> None:
    history = delivered(1, at("2026-11-01T00:00"), category="marketing")
    history.append(status("read", at("2026-10-31T23:59:59"), key(1)))

    assert one(history).day.isoformat() == "2026-10-31"


def test_a_failed_message_costs_nothing_and_a_delivered_one_does_although_it_failed() -> None:
    failed = [*sent(key(1), NOVEMBER, category="marketing"), status("failed", NOVEMBER + 1, key(1))]

    assert charges(failed, RATES) == []
    assert said(one([*failed, status("delivered", NOVEMBER + 9, key(1))])) == (None, True, Decimal("0.0529"))


def test_in_a_group_of_three_each_is_charged_and_the_whole_is_not() -> None:
    history = sent(key(1), NOVEMBER, category="utility")
    history += [status("delivered", NOVEMBER + n, key(1), participant_key=key(70 + n)) for n in (1, 2, 3)]
    history.append(status("delivered", NOVEMBER + 1, key(1)))

    costs = [charge.cost for charge in charges(history, RATES)]

    assert costs == [Decimal("0.022"), Decimal("0.022"), Decimal("0.020")]


def test_a_conversations_message_is_shown_and_not_priced() -> None:
    charge = one(delivered(1, at("2024-05-05T12:00"), category="utility"))

    assert (charge.era, charge.lacks, said(charge)) == ("conversation", "era", (None, False, None))


def test_notifications_were_charged_whatever_their_category_and_replies_were_not() -> None:
    then = at("2021-05-05T12:00")
    history = delivered(1, then, category="utility") + delivered(2, then + 1, category="marketing")
    history += delivered(3, then + 2, category="marketing") + delivered(4, then + 3)

    told = [said(charge) for charge in charges(history, RATES)]

    assert told == [
        (None, True, Decimal("0.06")),
        (None, True, Decimal("0.06")),
        (None, True, Decimal("0.05")),
        ("not_charged", False, Decimal(0)),
    ]


def test_a_user_ids_country_gives_an_estimated_market_and_a_number_a_sure_one() -> None:
    history = sent(key(1), NOVEMBER, category="marketing", market="bsuid:GB")
    estimated = one([*history, status("delivered", NOVEMBER, key(1), market="bsuid:GB")])
    sure = one([*history, status("delivered", NOVEMBER, key(1), market="44")])

    assert estimated.market is not None
    assert sure.market is not None
    assert (estimated.market.name, estimated.market.estimated) == (UK, True)
    assert (sure.market.name, sure.market.estimated) == (UK, False)


@pytest.mark.parametrize(("told", "lacks"), [({"market": "49"}, "rate"), ({"market": None}, "market")])
def test_what_can_not_be_priced_is_billable_and_names_what_is_lacking(
    told: dict[str, str | None], lacks: str
) -> None:
    history = sent(key(1), NOVEMBER, category="marketing", **told)
    charge = one([*history, status("delivered", NOVEMBER, key(1), **told)])

    assert (charge.billable, charge.cost, charge.lacks) == (True, None, lacks)


@pytest.mark.parametrize(
    ("card_days", "market", "cost"),
    [
        ("2026-10-01,", "Ukraine", "0.031"),
        ("2026-01-01,2026-04-01", "Rest of Central & Eastern Europe", "0.0212"),
    ],
)
def test_a_supposed_card_prices_other_days_as_its_nearest_and_by_the_markets_of_then(
    card_days: str, market: str, cost: str
) -> None:
    supposed = card(
        f"Ukraine,utility,,0.031,USD,{card_days}",
        f"Rest of Central & Eastern Europe,utility,,0.0212,USD,{card_days}",
    )
    time = at("2026-09-15T12:00")
    history = sent(key(1), time, category="utility", market="380")
    history.append(status("delivered", time, key(1), market="380"))
    pricer = Pricer(always("message-and-service") or (), Rates("USD", [supposed]), UTC, supposed.span)

    charge = pricer.charge(units(history)[0])

    assert charge.market is not None
    assert (charge.market.name, charge.cost) == (market, Decimal(cost))
    assert accrual(charge.unit, eras=eras(), zone=UTC, prices=supposed.span).market == charge.market


def test_a_message_of_another_system_has_whatsapps_category() -> None:
    priced = {"type": "regular", "category": "group_marketing"}
    history: list[Event] = [status("delivered", NOVEMBER, key(1), pricing=priced)]

    assert (one(history).category, one(history).cost) == ("marketing", Decimal("0.0529"))
