"""A send told in plain words: what was asked, what the policy saw and decided, and what happened then.

Pure, and without personal data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from domain import reasons, status
from domain.event_words import STATUSES, error, failed, new_send, told
from domain.events import Event, Recorded, SendDispatched, SendFailed, SendRefused
from domain.status import MessageState


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a send, in words."""

    position: int
    topic: str
    at: int
    """Unix seconds: WhatsApp's time where it gave one, else when it was recorded."""
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A send from its request to what is known of it."""

    state: str
    summary: str
    """What became of it, and what to do where something is to be done."""
    steps: tuple[Step, ...]


def explain(history: Sequence[Recorded]) -> Explanation:
    """Explain a send by its events in the order of the log."""
    events = [item.event for item in history]
    known = reduce(status.fold, events, status.EMPTY)
    return Explanation(known.state, _summary(known, events), tuple(_step(item) for item in history))


def _step(item: Recorded) -> Step:
    event = item.event
    at = getattr(event, "at_used", None)
    seconds = int(event.timestamp.timestamp()) if at is None else at
    return Step(item.position, event.TOPIC, seconds, told(event))


Events = Sequence[Event]


def _summary(known: MessageState, events: Events) -> str:
    text = _SUMMARIES.get(known.state)
    if text is not None:
        return text(known, events)
    contradicted = " WhatsApp reported it as failed as well; a delivery outranks that."
    said = STATUSES.get(known.state, f"It is {known.state}")
    return f"{said}.{contradicted if known.contradicted else ''}"


def _refused(_: MessageState, events: Events) -> str:
    event = next(event for event in events if isinstance(event, SendRefused))
    why = reasons.why(event.decision, event.kind)
    return f"Refused by the gateway: {why}. What helps: {reasons.passes(event.decision)}."


def _requested(known: MessageState, events: Events) -> str:
    left = max((event.attempt for event in events if isinstance(event, SendDispatched)), default=0)
    if left > known.attempt:
        return f"It was handed to WhatsApp and has no outcome yet: it may have been sent. {_settle(events)}"
    if known.outcome == "resend":
        return "It is to be sent again; the next attempt has not left yet."
    return "It was allowed and has not left yet."


def _accepted(_: MessageState, __: Events) -> str:
    return "WhatsApp accepted it; no status of it has come yet."


def _unknown(_: MessageState, events: Events) -> str:
    return f"Nobody knows whether it was sent. {_settle(events)}"


def _failed(known: MessageState, events: Events) -> str:
    if known.failed_at is not None:
        why = "" if known.failed_code is None else f": {error(known.failed_code)}"
        return f"WhatsApp accepted it and then failed it{why}. {new_send(known.failed_code)}"
    for event in events:
        if isinstance(event, SendFailed) and event.attempt == known.attempt:
            return failed(event)
    return "It was settled as failed: WhatsApp had not taken it. A new send may be made."


def _sent(_: MessageState, __: Events) -> str:
    return "WhatsApp sent it; that it was delivered is not reported yet."


_SUMMARIES: Final[Mapping[str, Callable[[MessageState, Events], str]]] = {
    "refused": _refused,
    "requested": _requested,
    "accepted": _accepted,
    "unknown": _unknown,
    "failed": _failed,
    "sent": _sent,
}


def _settle(events: Events) -> str:
    send_id = next((one for event in events if (one := getattr(event, "send_id", None))), "{send_id}")
    return (
        "Do not send it again. A status from WhatsApp settles it by itself; if none comes, find out whether "
        f"the person has it, and settle it with POST /api/messages/{send_id}/settle."
    )
