"""WhatsApp's `pricing_analytics` of what the simulator delivered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import phonenumbers

from gateway.sandbox import DISPLAY_PHONE_NUMBER
from gateway.sandbox.network import Accepted
from gateway.sandbox.refusal import Refusal

FIELD: Final = "pricing_analytics"
_STEPS: Final = {"HALF_HOUR": 1800, "DAILY": 86_400}
_ASKED: Final = re.compile(r"\.(\w+)\(([^()]*)\)")


def pricing_analytics(fields: str, accepted: Iterable[Accepted]) -> dict[str, Any]:
    """The answer to `pricing_analytics.start(…).end(…).granularity(…)`; days of UTC, costs hidden."""
    asked = dict(_ASKED.findall(fields.removeprefix(FIELD)))
    try:
        start, end, step = int(asked["start"]), int(asked["end"]), _STEPS[asked["granularity"]]
    except (KeyError, ValueError):
        raise Refusal(
            100, "pricing_analytics needs start, end and granularity (HALF_HOUR or DAILY)."
        ) from None
    counts = Counter(
        (at - at % step, country, told["type"], told["category"])
        for at, country, told in _delivered(accepted)
        if start <= at < end
    )
    points = [
        {
            "start": begins,
            "end": begins + step,
            "phone_number": DISPLAY_PHONE_NUMBER,
            "country": country,
            "pricing_type": type_.upper(),
            "pricing_category": category.upper(),
            "volume": volume,
        }
        for (begins, country, type_, category), volume in sorted(counts.items())
    ]
    return {FIELD: {"data": [{"data_points": points}]}}


def _delivered(accepted: Iterable[Accepted]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """When each message was delivered, in which country, and its price."""
    for message in accepted:
        for status in message.statuses:
            [told] = status.update.change["value"]["statuses"]
            if status.word == "delivered" and "pricing" in told:
                yield status.at, _country(told), told["pricing"]


def _country(told: dict[str, Any]) -> str:
    """By the number, and by the user id where there is none."""
    in_group = told.get("recipient_type") == "group"
    number = told.get("recipient_participant_id" if in_group else "recipient_id")
    user_id = told["recipient_participant_user_id" if in_group else "recipient_user_id"]
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(f"+{number}"))
    except phonenumbers.NumberParseException:
        region = None
    return region or str(user_id)[:2]
