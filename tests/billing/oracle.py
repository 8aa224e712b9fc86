"""A slow counter of its own: plain loops over events, sharing nothing with domain/billing.

It knows the terms by heart instead of reading them, and answers for each delivered message with its day, its
market, what it is charged as, why it is free, and what it costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from domain.events import Event, MessageReceived, SendAccepted, SendRequested, SendSettled, StatusReceived

PROOFS = ("delivered", "read", "played")
STRENGTH = {"sent": 1, "delivered": 2, "read": 3, "played": 4}
FREE = 2
NOBODY = "00000000-0000-0000-0000-000000000000"
Line = dict[str, Any]


def counted(events: Sequence[Event], zone: str, rates: dict[tuple[str, str], list[str]]) -> list[Line]:
    """All charges in the order of time.

    `rates`: by market and category, one for each tier of two messages; the free tier holds two as well.
    """
    lines = []
    for key, participant in sorted(_delivered(events)):
        lines.append(_facts(events, key, participant, zone))
    lines.sort(key=lambda one: (one["at"], one["key"], one["participant"]))
    for n, line in enumerate(lines):
        _decide(line, lines[:n], rates)
    return lines


def _delivered(events: Sequence[Event]) -> set[tuple[str, str]]:
    found = set()
    for event in events:
        if _is_own(event) and event.status in PROOFS:
            found.add((event.message_key, event.participant_key or NOBODY))
    named = {key for key, participant in found if participant != NOBODY}
    return {(key, participant) for key, participant in found if participant != NOBODY or key not in named}


def _is_own(event: Event) -> bool:
    return isinstance(event, StatusReceived) and event.source in ("live", "history")


def _facts(events: Sequence[Event], key: str, participant: str, zone: str) -> Line:
    mine = [
        event
        for event in events
        if _is_own(event) and event.message_key == key and (event.participant_key or NOBODY) == participant
    ]
    at = min(event.at_used for event in mine if event.status in PROOFS)
    send_id = None
    for event in events:
        ties = isinstance(event, SendAccepted | SendSettled) or _is_own(event)
        if ties and getattr(event, "message_key", None) == key and event.send_id:
            send_id = event.send_id
    asked = next((e for e in events if isinstance(e, SendRequested) and e.send_id == send_id), None)
    echo = next(
        (e for e in events if isinstance(e, MessageReceived) and e.source == "echo" and e.message_key == key),
        None,
    )
    price = _strongest(mine)
    prefixes = sorted({event.market for event in mine if event.market}) + (
        [asked.market] if asked and asked.market else []
    )
    numbers = [one for one in prefixes if not one.startswith("bsuid")]
    return {
        "at": at,
        "key": key,
        "participant": participant,
        "line": max((event.line for event in mine if event.line), default=None),
        "day": datetime.fromtimestamp(at, ZoneInfo(zone)).date().isoformat(),
        "prefix": (numbers or prefixes or [None])[0],
        "asked": asked,
        "type": asked.type if asked else echo.type if echo else None,
        "price": price,
        "dispatched": _dispatched(events, send_id),
        "entry": any((e.conversation or {}).get("origin") == "referral_conversion" for e in mine),
    }


def _strongest(mine: Sequence[StatusReceived]) -> dict[str, Any]:
    best: tuple[int, int] = (0, 0)
    price: dict[str, Any] = {}
    for event in mine:
        if event.pricing and STRENGTH.get(event.status, 0) and (STRENGTH[event.status], event.at_used) > best:
            best, price = (STRENGTH[event.status], event.at_used), event.pricing
    return price


def _dispatched(events: Sequence[Event], send_id: str | None) -> int | None:
    times = [e.dispatched_at for e in events if isinstance(e, SendAccepted) and e.send_id == send_id]
    times += [e.dispatched_at for e in events if _is_own(e) and e.send_id == send_id and e.dispatched_at]
    return min(times) if send_id and times else None


def _decide(line: Line, before: Sequence[Line], rates: dict[tuple[str, str], list[str]]) -> None:
    day = line["day"]
    line["market"] = _market(line["prefix"], day)
    line["category"] = _category(line["asked"], line["price"].get("category"))
    line["free"], line["cost"], line["charged"] = _free_reason(line), None, False
    line["ranked"] = line["free"] is None and line["category"] == "service" and day >= "2026-10-01"
    if line["ranked"]:
        ranks = [one for one in before if one["ranked"] and one["line"] == line["line"]]
        if len([one for one in ranks if one["day"][:7] == day[:7]]) < FREE:
            line["free"] = "free_tier"
    if line["free"] is not None:
        line["cost"] = Decimal(0)
    elif not "2022-02-01" <= day < "2025-07-01":
        line["charged"] = True
        line["cost"] = _cost(line, before, rates)


def _free_reason(line: Line) -> str | None:
    category, price = line["category"], line["price"]
    if line["type"] == "reaction":
        return "reaction"
    if line["entry"] or price.get("type") == "free_entry_point":
        return "free_entry_point"
    if price.get("subtype") == "paid_exempt":
        return "paid_exempt"
    return "whatsapp" if category is None and _whatsapp_says_free(price) else _by_era(line)


def _by_era(line: Line) -> str | None:
    category, day = line["category"], line["day"]
    if category == "service" and (day < "2022-02-01" or "2025-07-01" <= day < "2026-10-01"):
        return "not_charged"
    if category == "utility" and "2025-07-01" <= day < "2026-10-01" and _in_window(line):
        return "window"
    return None


def _whatsapp_says_free(price: dict[str, Any]) -> bool:
    if "type" in price:
        return bool(price["type"] != "regular")
    return price.get("billable") is False


def _in_window(line: Line) -> bool:
    asked = line["asked"]
    if asked is None:
        return line["price"].get("type") in ("free_customer_service", "free_group_customer_service")
    until = asked.decision["window"]["open_until"]
    sent = line["dispatched"] if line["dispatched"] is not None else line["at"]
    return until is not None and sent < until


def _category(asked: SendRequested | None, told: str | None) -> str | None:
    word = (told or "").replace("group_", "")
    if word == "marketing_lite":
        word = "marketing"
    if word in ("referral_conversion", "business_initiated", ""):
        word = ""
    if asked is None:
        return word or None
    if asked.kind == "free_form" and asked.category is None:
        return "service"
    if asked.category in (None, "authentication") and word == "authentication-international":
        return word
    return asked.category or word or None


def _market(prefix: str | None, day: str) -> str | None:
    if prefix is None:
        return None
    if prefix in ("bsuid:GB", "44"):
        return "United Kingdom"
    if prefix == "1809":
        return "Rest of Latin America"
    if prefix == "1242":
        return "Other"
    if prefix == "1415":
        return "North America"
    if prefix == "380":
        return "Ukraine" if day >= "2026-10-01" else "Rest of Central & Eastern Europe"
    raise AssertionError(prefix)


def _cost(line: Line, before: Sequence[Line], rates: dict[tuple[str, str], list[str]]) -> Decimal | None:
    category, day = line["category"], line["day"]
    if line["market"] is None:
        return None
    if day < "2022-02-01":
        category = "notification"
    if category is None:
        return None
    line["as"] = category
    table = rates.get((line["market"], category))
    if table is None and category == "service":
        return Decimal(rates[line["market"], "utility"][0]) if (line["market"], "utility") in rates else None
    if table is None:
        return None
    if category in ("marketing", "service"):
        return Decimal(table[0])
    same = [one for one in before if one.get("as") == category and one["market"] == line["market"]]
    rank = len([one for one in same if one["day"][:7] == day[:7]])
    return Decimal(table[min(rank // 2, len(table) - 1)])
