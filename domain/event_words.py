"""Each event of a send in plain words, without personal data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from re import sub
from typing import Any, Final

from domain import reasons
from domain.events import (
    CallReceived,
    Event,
    MediaKept,
    MediaLost,
    MessageReceived,
    SendAccepted,
    SendDispatched,
    SendFailed,
    SendRefused,
    SendRequested,
    SendSettled,
    SendUnknown,
    StatusReceived,
)
from domain.graph_errors import VERDICTS, Verdict, title_of

Json = dict[str, Any]

STATUSES: Final[Mapping[str, str]] = {
    "sent": "WhatsApp sent it on its way to the person",
    "delivered": "It was delivered to the person's device",
    "read": "The person read it",
    "played": "The person played it",
    "failed": "WhatsApp reported that it failed",
}


def told(event: Event) -> str:
    """What an event says, in one to three sentences."""
    return _TEXTS.get(type(event), _other)(event)


def new_send(code: int | None) -> str:
    """Whether a new send can help after WhatsApp failed a message."""
    match VERDICTS.get(code) if code is not None else None:
        case Verdict.SAFE | Verdict.UNSAFE:
            return "A new send may be tried."
        case Verdict.NO:
            return "The same send would fail again while that is so."
        case None:
            return "WhatsApp's error codes say whether a new send can help."


def error(code: int) -> str:
    """An error code with its title."""
    return f"error {code}, {title_of(code)}"


def _http(http_status: int | None) -> str:
    return "" if http_status is None else f" (HTTP {http_status})"


def _cause(cause: str | None) -> str:
    return (cause or "no cause recorded").replace("_", " ")


def _asked(event: SendRequested | SendRefused) -> str:
    what = reasons.KINDS.get(event.kind, event.kind.replace("_", " "))
    named = (
        event.type != event.kind and f"of the type {event.type}",
        event.template and f"named {event.template}",
        event.language and f"in {event.language}",
        event.category and f"of the category {event.category}",
    )
    said = " ".join(part for part in (what, *named) if part)
    asked = f"The API key {event.caller} asked on the {event.face} face for {said}."
    return f"{asked} {reasons.seen(event.decision)}"


def _requested(event: SendRequested) -> str:
    why = reasons.why(event.decision, event.kind)
    if event.decision.get("observed"):
        return (
            f"{_asked(event)} It would have been refused, because {why}; it was allowed because the line "
            "only observes."
        )
    return f"{_asked(event)} It was allowed: {why}."


def _refused(event: SendRefused) -> str:
    why = reasons.why(event.decision, event.kind)
    return f"{_asked(event)} It was refused: {why}. Nothing was or will be posted."


def _dispatched(event: SendDispatched) -> str:
    ordered = f", as ordered by {event.caller}" if event.caller else ""
    return f"Attempt {event.attempt} was about to be posted{ordered}; from here on it may have been sent."


def _accepted(event: SendAccepted) -> str:
    return f"WhatsApp accepted attempt {event.attempt}{_http(event.http_status)} and gave it a message id."


def failed(event: SendFailed) -> str:
    """Why an attempt failed, and whether the same send may be tried again."""
    again = f"The same send {'may be tried again' if event.safe else 'would be rejected again'}."
    if event.attempt > 1:
        again = "What became of the attempt before it stays unknown."
    if event.code is not None:
        why = error(event.code) + _http(event.http_status)
        return f"WhatsApp rejected attempt {event.attempt}: {why}. {again}"
    if event.cause == "not attempted":
        return (
            f"Attempt {event.attempt} was not posted: the log answered too late, and the caller was told "
            f"that nothing was sent. {again}"
        )
    cause = _cause(event.cause)
    return f"Attempt {event.attempt} never left: no connection to WhatsApp could be made ({cause}). {again}"


_UNKNOWN: Final[Mapping[str, str]] = {
    "unsafe_code": "WhatsApp answered with an error after which a message may still have gone out",
    "unlisted_code": "WhatsApp answered with an error that its reference does not list",
    "no_graph_answer": "the answer was none that WhatsApp's API gives",
    "no outcome was recorded": "the gateway stopped before an answer was recorded",
}
"""By cause; any other is the name of what happened to the connection."""


def _unknown(event: SendUnknown) -> str:
    why = _UNKNOWN.get(event.cause or "", f"the answer was lost ({_cause(event.cause)})")
    code = "" if event.code is None else f": {error(event.code)}"
    return (
        f"Nobody knows whether WhatsApp took attempt {event.attempt}: {why}{code}{_http(event.http_status)}. "
        "It must not be sent again blindly."
    )


_SETTLED: Final[Mapping[str, str]] = {
    "accepted": "WhatsApp had taken it",
    "failed": "WhatsApp had not taken it, and it is not sent again",
    "resend": "WhatsApp had not taken it, and it is to be sent again",
}
_BY: Final[Mapping[str, str]] = {
    "status": "a status that WhatsApp sent for it",
    "answer": "WhatsApp's answer, which came after all",
    "operator": "an operator",
    "policy": "a rule of the gateway",
}


def _settled(event: SendSettled) -> str:
    by = _BY.get(event.by, event.by)
    known = _SETTLED.get(event.settled_as, event.settled_as)
    return f"Attempt {event.attempt} became known by {by}: {known}."


def _status(event: StatusReceived) -> str:
    known = STATUSES.get(event.status)
    text = known or f"WhatsApp reported the status {event.status}, which changes nothing that is known"
    if event.code is not None:
        text += f": {error(event.code)}"
    if event.source != "live":
        text += f" (from a copy: {event.source})"
    if event.status == "failed":
        text += f". {new_send(event.code)}"
    else:
        text += "."
    return text + _pricing(event.pricing)


_PRICED: Final = ("category", "type", "subtype", "model")


def _pricing(pricing: Json | None) -> str:
    if not pricing:
        return ""
    named = [f"{name} {pricing[name]}" for name in _PRICED if pricing.get(name)]
    if (billable := pricing.get("billable")) is not None:
        named.append("billable" if billable else "not billable")
    return f" WhatsApp's pricing: {', '.join(named)}."


def _message(event: MessageReceived) -> str:
    return f"A copy of the message came from WhatsApp ({event.source})."


def _call(event: CallReceived) -> str:
    return f"A call event came in ({event.event})."


def _media_kept(_: MediaKept) -> str:
    return "The file that it brought lies in the media vault."


def _media_lost(event: MediaLost) -> str:
    return f"The file that it brought could not be kept ({_cause(event.reason)})."


def _other(event: Event) -> str:
    words = sub(r"(?<!^)(?=[A-Z])", " ", event.TOPIC).lower()
    return f"{words[0].upper()}{words[1:]} was recorded."


_TEXTS: Final[Mapping[type[Event], Callable[[Any], str]]] = {
    SendRequested: _requested,
    SendRefused: _refused,
    SendDispatched: _dispatched,
    SendAccepted: _accepted,
    SendFailed: failed,
    SendUnknown: _unknown,
    SendSettled: _settled,
    StatusReceived: _status,
    MessageReceived: _message,
    CallReceived: _call,
    MediaKept: _media_kept,
    MediaLost: _media_lost,
}
