"""What `message_history` tells of one message (Cloud API reference, section 9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from domain.inbound import wire
from domain.status import REACHED

FIELDS: Final = "id,message_id,events{delivery_status,timestamp,error_description}"
"""What to ask for."""


@dataclass(frozen=True, slots=True)
class Told:
    """One status."""

    status: str
    at: int
    """Unix seconds, in WhatsApp's time."""
    details: str | None = field(default=None, repr=False)


def read(body: bytes) -> list[Told] | None:
    """The statuses of one message, as far as they are known words; None for what is no answer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        return None
    return [told for message in wire.objects(answer["data"]) for told in _told(message)]


def _told(message: wire.Json) -> Iterator[Told]:
    for event in wire.objects(wire.inner(message, "events").get("data")):
        word = (wire.text(event.get("delivery_status")) or "").lower()
        at = wire.seconds(event.get("timestamp"))
        if at is not None and (word in REACHED or word == "failed"):
            yield Told(word, at, wire.text(event.get("error_description")))


def news(told: list[Told], reached: str | None) -> list[Told]:
    """What is told beyond the furthest status that is known already."""
    known = REACHED.get(reached or "", 0)
    return [one for one in told if one.status == "failed" or REACHED.get(one.status, 0) > known]
