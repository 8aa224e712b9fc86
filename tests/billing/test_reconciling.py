from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from charged import LINE, at, card, charges, sent, status, tiered

from domain.billing.rates import Rates
from domain.billing.reconciling import Analytics, Differences, Told, analytics_of
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
    [named] = found["messages"]
    assert (named["message_key"], named["ours"], named["whatsapp"]) == (
        key(2),
        "billable",
        "free_customer_service",
    )
    assert {row["line"] for row in found["rows"]} == {LINE}


def test_an_answer_is_compared_by_day_country_category_and_type() -> None:
    told = analytics_of(orjson.loads(ANSWER.read_bytes()), UTC)
    sides = Analytics(told)
    history = [event for n in range(1, 121) for event in template(n, REGULAR)]
    history += [*sent(key(500), NOON), status("delivered", NOON, key(500))]
    history += [*sent(key(501), NOON, type="reaction"), status("delivered", NOON, key(501))]
    for charge in charges(history, RATES):
        sides.see(charge)

    found = sides.shown()

    free, regular = found["rows"]
    assert told[Told("2026-11-21", "GB", "utility", "regular")] == (120, Decimal("2.64"))
    assert (regular["cost"], regular["cost_whatsapp"], regular["agrees"]) == ("2.64", "2.64", True)
    assert (free["category"], free["volume"], free["volume_whatsapp"], free["agrees"]) == (
        "service",
        1,
        40,
        False,
    )
    assert found["totals"] == {"volume": 121, "volume_whatsapp": 160, "differing": 1}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ([], "it is no answer with pricing_analytics"),
        ({"pricing_analytics": {"data": [{"data_points": [{"start": 0}]}]}}, "data point 1 lacks 'end'"),
        (
            {"pricing_analytics": {"data": [{"data_points": [{"start": 0, "end": 2_600_000}]}]}},
            "granularity",
        ),
    ],
)
def test_an_answer_that_can_not_be_compared_is_refused(answer: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        analytics_of(answer, UTC)


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
