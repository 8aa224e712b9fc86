"""What WhatsApp remembers of a line and a person or group: service window, free entry, free tier."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from gateway.sandbox.book import Person
from gateway.sandbox.pricing import FREE_SERVICE_MESSAGES, Category, free_entry_point, in_group, pricing

WINDOW: Final = 24 * 3600
FREE_ENTRY: Final = 72 * 3600
SILENT_TYPES: Final = frozenset({"reaction", "edit", "revoke", "system", "request_welcome"})
"""Inbound messages that leave the customer service window as it is."""


@dataclass(slots=True, eq=False)
class Conversation:
    """The line and a person, or a group with those who wrote in it; times are Unix seconds."""

    opened_at: int | None = None
    referred_at: int | None = None
    free_entry_until: int | None = None
    participants: dict[str, Person] = field(default_factory=dict)

    def is_open(self, now: int) -> bool:
        """Whether anything but a template may be sent."""
        return self.opened_at is not None and now < self.opened_at + WINDOW

    def hear(self, item: dict[str, Any], at: int) -> None:
        """The customer wrote at `at`."""
        if _opens(item):
            self.opened_at = at
        if "referral" in item:
            self.referred_at = at

    def enter_free(self, now: int) -> int | None:
        """The end of the free entry point that covers a send delivered now, which may be what begins it."""
        if self.referred_at is not None:
            if now < self.referred_at + WINDOW:
                self.free_entry_until = now + FREE_ENTRY
            self.referred_at = None
        until = self.free_entry_until
        return until if until is not None and now < until else None


class Tariff:
    """Prices messages as they are delivered, and counts the month's free ones."""

    def __init__(self) -> None:
        self._delivered: Counter[str] = Counter()

    def price(
        self, category: Category, conversation: Conversation, now: int, *, copies: int, group: bool
    ) -> dict[str, Any]:
        """The pricing object of a message delivered now to `copies` people."""
        if conversation.enter_free(now):
            return free_entry_point()
        at = datetime.fromtimestamp(now, UTC)
        month = f"{at:%Y-%m}"
        free_left = self._delivered[month] < FREE_SERVICE_MESSAGES
        if category == "service":
            self._delivered[month] += copies
        price = pricing(category, at=at, window_open=conversation.is_open(now), free_left=free_left)
        return in_group(price) if group else price


def _opens(item: dict[str, Any]) -> bool:
    if item["type"] in SILENT_TYPES:
        return False
    interactive = item.get("interactive")
    reply = interactive.get("call_permission_reply") if isinstance(interactive, dict) else None
    return not (isinstance(reply, dict) and reply.get("response_source") == "automatic")
