"""What the faces say, whatever their dialect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from aiohttp import web

from domain import policy
from domain.consent import PAUSE
from gateway import errors


def headers(send_id: UUID, outcome: str, warning: str | None = None) -> dict[str, str]:
    """What every answer to a send carries."""
    warned = {"Ledgerline-Warning": warning} if warning else {}
    return {"Ledgerline-Send-Id": str(send_id), "Ledgerline-Outcome": outcome} | warned


def replayed(answer: web.Response) -> web.Response:
    """An answer about a send that was asked for before."""
    answer.headers["Idempotent-Replayed"] = "true"
    return answer


def rfc3339(seconds: int) -> str:
    """Whole Unix seconds as RFC 3339, UTC, `Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unknown(send_id: UUID) -> str:
    """What a caller must know of a send whose outcome nobody knows."""
    return (
        "WhatsApp's answer was lost, or leaves it open: the message may have been sent, "
        f"so do not send again. Its state: GET /api/messages/{send_id}"
    )


def not_reached(path: str) -> web.Response:
    """What a caller hears when nothing was done, or only read, in the dialect of `path`."""
    return errors.in_dialect(path, 503, "WhatsApp did not answer. This may be repeated.", retry_after=2)


def not_posted(path: str, why: str, send_id: UUID | None, outcome: str) -> web.Response:
    """What a caller hears when nothing was posted for its request, in the dialect of `path`."""
    status, text, retry_after = _NOT_POSTED[why]
    answer = errors.in_dialect(path, status, text.format(send_id), retry_after=retry_after)
    if send_id is not None:
        answer.headers.update(headers(send_id, outcome))
    return answer


NOT_SENT = "WhatsApp could not be reached; nothing was sent. The same send may be tried again."

_NOT_POSTED: Final[Mapping[str, tuple[int, str, int | None]]] = {
    "busy": (
        503,
        "Nothing was or will be sent: the gateway is overloaded or its database is away. Try again shortly.",
        2,
    ),
    "in_flight": (
        409,
        "A send with this Idempotency-Key is on its way. Its state: GET /api/messages/{}",
        1,
    ),
    "key_taken": (
        422,
        "This Idempotency-Key belongs to another request (GET /api/messages/{}): use a new one.",
        None,
    ),
    "forgotten": (
        410,
        "This Idempotency-Key belongs to a send to a person who was forgotten since: it is not sent again.",
        None,
    ),
}


def refusal(refused: policy.Refused) -> str:
    """Why the policy refused, and what would pass."""
    until, consent = refused.open_until, refused.consent or {}
    match refused.reason:
        case "opted_out":
            since = rfc3339(consent["at"])
            why = f"this person stopped such messages at {since}"
            right = "they may be sent again once the person resumes them"
        case "no_opt_in":
            why = "this line sends marketing only to people who asked for it, and no opt-in is known"
            right = "record one with POST /api/people/{contact}/consents"
        case "recently_limited":
            why = f"WhatsApp held marketing to this person back at {rfc3339(consent['limited_at'])}"
            again = rfc3339(consent["limited_at"] + PAUSE)
            right = f"it may be tried again from {again}, or once the person writes"
        case "us_marketing":
            why = "this line sends no marketing to the USA, where WhatsApp delivers none"
            right = "a utility or authentication template is allowed"
        case _ if refused.fault is not None:
            why, right = refused.fault.details, _RIGHT.get(refused.reason, "another template is allowed")
        case _:
            why, right = _closed(refused.reason, until), "a template or Direct Send is allowed"
    return f"Refused by the gateway: {why}; {right}."


_RIGHT: Final[Mapping[policy.Reason, str]] = {
    "category_drift": "it may be sent where the line's template_category_drift is accept or warn",
    **dict.fromkeys(
        ("parameter_missing", "parameter_count", "parameter_kind", "parameter_text", "text_too_long"),
        "GET /api/templates shows what the template wants",
    ),
}
"""What would pass in place of a send with a fault in its template."""


def _closed(reason: policy.Reason, until: int | None) -> str:
    if until is None:
        return "this contact has not written to this line, or what it wrote no longer counts"
    if reason == "window_closing":
        return f"the window closes at {rfc3339(until)}, too soon to be sure"
    return f"the window closed at {rfc3339(until)}"
