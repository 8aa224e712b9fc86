from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.sandbox import pricing
from gateway.sandbox.conversations import Conversation, Tariff

SEPTEMBER = datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)


def told(statuses: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    return [(s["pricing"]["category"], s["pricing"]["type"], s["pricing"]["billable"]) for s in statuses]


@pytest.mark.parametrize(
    ("at", "template", "kind"),
    [
        (SEPTEMBER, None, "free_customer_service"),
        (OCTOBER, None, "free_customer_service"),
        (SEPTEMBER, "order_update", "free_customer_service"),
        (OCTOBER, "order_update", "regular"),
        (OCTOBER, "winter_sale", "regular"),
        (SEPTEMBER, "login_code", "regular"),
    ],
)
async def test_prices_in_the_window_follow_the_rules_of_the_day(
    sandbox: Any, at: datetime, template: str | None, kind: str
) -> None:
    sandbox.begin(at)
    await sandbox.writes()
    await (sandbox.template(template) if template else sandbox.text())

    statuses = await sandbox.settled()
    categories = {None: "service", "order_update": "utility", "winter_sale": "marketing"}
    category = categories.get(template, "authentication")
    assert told(statuses) == [(category, kind, kind == "regular")] * 2
    assert {s["pricing"]["pricing_model"] for s in statuses} == {"PMP"}


async def test_a_utility_template_outside_the_window_always_had_a_price(sandbox: Any) -> None:
    sandbox.begin(SEPTEMBER)
    await sandbox.template("order_update")

    assert told(await sandbox.settled()) == [("utility", "regular", True)] * 2


async def test_marketing_messages_have_their_own_category(sandbox: Any) -> None:
    await sandbox.template("winter_sale", edge="marketing_messages")

    assert told(await sandbox.settled()) == [("marketing_lite", "regular", True)] * 2


def test_a_thousand_service_messages_of_a_number_and_month_are_free() -> None:
    tariff = Tariff()
    conversation = Conversation(opened_at=int(OCTOBER.timestamp()))
    now = int(OCTOBER.timestamp()) + 60

    def price(at: int) -> str:
        return str(tariff.price("service", conversation, at, copies=1, group=False)["type"])

    assert {price(now) for _ in range(pricing.FREE_SERVICE_MESSAGES)} == {"free_customer_service"}
    assert price(now) == "regular"
    november = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
    assert price(november - 1) == "regular"
    assert price(november) == "free_customer_service"


async def test_a_free_entry_point_begins_with_the_reply_and_lasts_72_hours(sandbox: Any) -> None:
    await sandbox.writes(type="text", text={"body": "from your ad"}, referral={"source_type": "ad"})
    await sandbox.advance(3600)
    await sandbox.text()
    await sandbox.advance(72 * 3600 - 1)
    await sandbox.template("winter_sale")
    await sandbox.advance(1)
    await sandbox.template("winter_sale")

    statuses = await sandbox.settled()
    assert told(statuses[:4]) == [("referral_conversion", "free_entry_point", False)] * 4
    assert told(statuses[4:]) == [("marketing", "regular", True)] * 2
    ends = str(int(statuses[0]["timestamp"]) + 72 * 3600)
    assert statuses[0]["conversation"]["expiration_timestamp"] == ends
    assert statuses[1]["conversation"]["origin"] == {"type": "referral_conversion"}
    assert "expiration_timestamp" not in statuses[1]["conversation"]
    assert "conversation" not in statuses[4]


async def test_no_free_entry_point_without_a_reply_within_a_day(sandbox: Any) -> None:
    await sandbox.writes(type="text", text={"body": "from your ad"}, referral={"source_type": "ad"})
    await sandbox.advance(24 * 3600)
    await sandbox.template("winter_sale")

    assert told(await sandbox.settled()) == [("marketing", "regular", True)] * 2
