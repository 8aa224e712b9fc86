"""Our own events as CloudEvents 1.0 in structured mode (application/cloudevents+json)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

CONTENT_TYPE: Final = "application/cloudevents+json"
_DIGITS: Final = 19
"""Of the largest position: a `sequence` is compared as a text."""


def enveloped(view: dict[str, Any], *, log_id: UUID, event_id: str) -> dict[str, Any]:
    """`view`: the event as /api/events shows it."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"urn:ledgerline:{log_id}",
        "type": f"ledgerline.{view['topic']}",
        "subject": view["stream"],
        "time": view["at"] or view["recorded_at"],
        "datacontenttype": "application/json",
        "sequence": str(view["position"]).zfill(_DIGITS),
        "data": view,
    }
