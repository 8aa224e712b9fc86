"""WhatsApp's pricing objects, by the rules in force at a time (windows and pricing, sections 3 and 4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal

Category = Literal["marketing", "marketing_lite", "utility", "authentication", "service"]

SERVICE_CHARGED_FROM: Final = datetime(2026, 10, 1, tzinfo=UTC)
FREE_SERVICE_MESSAGES: Final = 1000
"""Per business phone number and calendar month."""


def pricing(category: Category, *, at: datetime, window_open: bool, free_left: bool) -> dict[str, Any]:
    """The `pricing` object of a status outside a free entry point; `free_left`: in the month's free tier."""
    if category == "service":
        free = at < SERVICE_CHARGED_FROM or free_left
    else:
        free = category == "utility" and window_open and at < SERVICE_CHARGED_FROM
    kind = "free_customer_service" if free else "regular"
    return {"billable": not free, "pricing_model": "PMP", "type": kind, "category": category}


def free_entry_point() -> dict[str, Any]:
    """The `pricing` object of anything sent while a free entry point lasts."""
    return {
        "billable": False,
        "pricing_model": "PMP",
        "type": "free_entry_point",
        "category": "referral_conversion",
    }


def in_group(price: dict[str, Any]) -> dict[str, Any]:
    """The same price for one participant of a group."""
    kind = "free_group_customer_service" if price["type"] == "free_customer_service" else price["type"]
    return price | {"type": kind, "category": f"group_{price['category']}"}
