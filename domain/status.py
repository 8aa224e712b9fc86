"""What became of an outbound message, as a fold over its events.

A state is a handful of maxima and minima, so that any order, repetition or split of the events gives the
same state: statuses may overtake each other and the send's own outcome, and several rows of one message
may be merged. Times are whole Unix seconds in WhatsApp's own time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from domain.events import (
    Event,
    SendAccepted,
    SendFailed,
    SendRefused,
    SendRequested,
    SendSettled,
    SendUnknown,
    StatusReceived,
)
from domain.values import value

Json = dict[str, Any]

REACHED: Final[Mapping[str, int]] = {"sent": 1, "delivered": 2, "read": 3, "played": 4}
"""The statuses that only ever rise; `failed` stands apart, and any other word never changes a state."""

STATES: Final = (
    *("requested", "refused", "accepted", "unknown", "failed"),
    *REACHED,
)
"""Every word that a message's state can be."""

_OUTCOMES: Final[Mapping[str, int]] = {"unknown": 1, "failed": 2, "resend": 3, "accepted": 4}
"""What is known of one attempt: what settles it outranks what was first seen."""


@value
class MessageState:
    """What is known of one message."""

    requested: bool = False
    refused: bool = False
    accepted: bool = False
    """WhatsApp took it: by its answer, by a settlement, or because it reports a status."""
    attempt: int = 0
    """The newest attempt with an outcome; the next three are that attempt's."""
    outcome: str | None = None
    """unknown, failed, resend (settled: to be tried again) or accepted."""
    outcome_at: int | None = None
    outcome_code: int | None = None
    reached: str | None = None
    """The furthest of sent, delivered, read and played."""
    sent_at: int | None = None
    delivered_at: int | None = None
    """Smallest time of delivered, read and played: each of them proves the delivery."""
    read_at: int | None = None
    failed_at: int | None = None
    """Smallest time of a failed status, with its code."""
    failed_code: int | None = None
    pricing: Json | None = None
    """WhatsApp's own, of the furthest status that carries one; of two at one time the larger text."""
    pricing_status: str | None = None
    pricing_at: int | None = None

    @property
    def state(self) -> str:
        """The one word for it (docs/api.md, messages)."""
        if self.reached is not None and self._is_delivered:
            return self.reached
        if self.failed_at is not None:
            return "failed"
        if self.reached is not None:
            return self.reached
        if self.accepted:
            return "accepted"
        if self.outcome in ("unknown", "failed"):
            return self.outcome
        return "refused" if self.refused else "requested"

    @property
    def contradicted(self) -> bool:
        """Whether WhatsApp reported it both failed and delivered."""
        return self.failed_at is not None and self._is_delivered

    @property
    def failure(self) -> tuple[int | None, int | None] | None:
        """(code, time) of its failure: by a status, else by the answer to the send; None without one."""
        if self.failed_at is not None:
            return self.failed_code, self.failed_at
        return (self.outcome_code, self.outcome_at) if self.state == "failed" else None

    @property
    def _is_delivered(self) -> bool:
        return REACHED.get(self.reached or "", 0) >= REACHED["delivered"]


EMPTY: Final = MessageState()


def fold(state: MessageState, event: Event) -> MessageState:
    """The state after one more event of the message; most other events change nothing."""
    step = _STEPS.get(type(event))
    if step is None:
        return state
    return step(event) if state is EMPTY else merge(state, step(event))


def merge(a: MessageState, b: MessageState) -> MessageState:
    """What two halves of the same message's events say together."""
    newest = a if b.outcome is None else max(a, b, key=_outcome_rank)
    failed = a if b.failed_at is None else min(a, b, key=_failure_rank)
    priced = a if b.pricing_status is None else _priced(a, b)
    return MessageState(
        requested=a.requested or b.requested,
        refused=a.refused or b.refused,
        accepted=a.accepted or b.accepted,
        attempt=newest.attempt,
        outcome=newest.outcome,
        outcome_at=newest.outcome_at,
        outcome_code=newest.outcome_code,
        reached=_further(a.reached, b.reached),
        sent_at=_earlier(a.sent_at, b.sent_at),
        delivered_at=_earlier(a.delivered_at, b.delivered_at),
        read_at=_earlier(a.read_at, b.read_at),
        failed_at=failed.failed_at,
        failed_code=failed.failed_code,
        pricing=priced.pricing,
        pricing_status=priced.pricing_status,
        pricing_at=priced.pricing_at,
    )


def _status(event: StatusReceived) -> MessageState:
    word, at = event.status, event.at_used
    rank = REACHED.get(word, 0)
    priced = event.pricing is not None and rank > 0
    return MessageState(
        accepted=True,
        reached=word if rank else None,
        sent_at=at if word == "sent" else None,
        delivered_at=at if rank >= REACHED["delivered"] else None,
        read_at=at if rank >= REACHED["read"] else None,
        failed_at=at if word == "failed" else None,
        failed_code=event.code if word == "failed" else None,
        pricing=event.pricing if priced else None,
        pricing_status=word if priced else None,
        pricing_at=at if priced else None,
    )


def _outcome(event: SendFailed | SendUnknown) -> MessageState:
    word = "failed" if isinstance(event, SendFailed) else "unknown"
    return MessageState(
        attempt=event.attempt, outcome=word, outcome_at=event.dispatched_at, outcome_code=event.code
    )


def _settled(event: SendSettled) -> MessageState:
    accepted = event.settled_as == "accepted"
    return MessageState(accepted=accepted, attempt=event.attempt, outcome=event.settled_as)


_STEPS: Final[Mapping[type[Event], Callable[[Any], MessageState]]] = {
    SendRequested: lambda _: MessageState(requested=True),
    SendRefused: lambda _: MessageState(refused=True),
    SendAccepted: lambda event: MessageState(
        accepted=True, attempt=event.attempt, outcome="accepted", outcome_at=event.dispatched_at
    ),
    SendFailed: _outcome,
    SendUnknown: _outcome,
    SendSettled: _settled,
    StatusReceived: _status,
}


def _further(a: str | None, b: str | None) -> str | None:
    if a is None or b is None:
        return b if a is None else a
    return a if REACHED[a] >= REACHED[b] else b


def _outcome_rank(state: MessageState) -> tuple[int, int, int, int]:
    rank = _OUTCOMES.get(state.outcome or "", 0)
    return state.attempt, rank, _or_less(state.outcome_at), _or_less(state.outcome_code)


def _failure_rank(state: MessageState) -> tuple[bool, int, int]:
    return state.failed_at is None, _or_less(state.failed_at), -_or_less(state.failed_code)


def _priced(a: MessageState, b: MessageState) -> MessageState:
    rank_a, rank_b = _pricing_rank(a), _pricing_rank(b)
    if rank_a != rank_b:
        return a if rank_a > rank_b else b
    if a.pricing == b.pricing:
        return a
    return max(a, b, key=lambda state: json.dumps(state.pricing, sort_keys=True))


def _pricing_rank(state: MessageState) -> tuple[int, int]:
    return REACHED.get(state.pricing_status or "", 0), _or_less(state.pricing_at)


def _or_less(value: int | None) -> int:
    return -1 if value is None else value


def _earlier(a: int | None, b: int | None) -> int | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)
