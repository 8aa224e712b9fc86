"""What the faces say of a send, whatever their dialect."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from domain import policy


def headers(send_id: UUID, outcome: str) -> dict[str, str]:
    """What every answer to a send carries."""
    return {"Ledgerline-Send-Id": str(send_id), "Ledgerline-Outcome": outcome}


def rfc3339(seconds: int) -> str:
    """Whole Unix seconds as RFC 3339, UTC, `Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unknown(send_id: UUID) -> str:
    """What a caller must know of a send whose outcome nobody knows."""
    return (
        "WhatsApp's answer was lost: the message may have been sent, so do not send again. "
        f"Its state: GET /api/messages/{send_id}"
    )


NOT_SENT = "WhatsApp could not be reached; nothing was sent. The same send may be tried again."
BUSY = "Nothing was or will be sent: the gateway is overloaded or its database is away. Try again shortly."


def refusal(refused: policy.Refused) -> str:
    """Why the policy refused, and what would pass."""
    if refused.open_until is None:
        why = "this contact has not written to this line, or what it wrote no longer counts"
    elif refused.reason == "window_closing":
        why = f"the window closes at {rfc3339(refused.open_until)}, too soon to be sure"
    else:
        why = f"the window closed at {rfc3339(refused.open_until)}"
    return f"Refused by the gateway: {why}; a template or Direct Send is allowed."
