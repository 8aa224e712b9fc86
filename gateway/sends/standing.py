"""How a send stands, by the log itself: found by the keys that follow from its id, so exact at any moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, Final
from uuid import UUID

from domain import sends, status
from domain.events import (
    Event,
    Recorded,
    SendDispatched,
    SendRefused,
    SendRequested,
    SendUnknown,
)
from domain.outbound import recalled
from domain.sends import FIRST, Send
from gateway.store.log import Log
from gateway.upstream import GRAPH_VERSION

ATTEMPTS: Final = 4
"""Attempts that are looked up at once; hardly any send has more than one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the log holds of one send: its request, and what came of it, in the order of the log."""

    send_id: UUID
    request: Recorded
    events: tuple[Recorded, ...]
    contents: tuple[dict[str, Any] | None, ...]
    """What is sealed in `events`; None where there is nothing, or its key is gone."""

    @property
    def asked(self) -> SendRequested | SendRefused:
        """What was asked and decided."""
        event = self.request.event
        if not isinstance(event, SendRequested | SendRefused):
            raise TypeError("the key of a decision holds another event")
        return event

    @property
    def state(self) -> str:
        """Its state by its own events, without what WhatsApp reported since; `requested` while on its way."""
        known = reduce(status.fold, (item.event for item in self.events), status.EMPTY)
        return "requested" if known.attempt < self.attempt and known.requested else known.state

    @property
    def attempt(self) -> int:
        """The newest attempt that was to leave."""
        dispatched = [item.event.attempt for item in self.events if isinstance(item.event, SendDispatched)]
        return max(dispatched, default=FIRST)

    def last(self, *kinds: type[Event]) -> tuple[Event, dict[str, Any]] | None:
        """The newest event of these kinds and its content."""
        found = [
            (item.event, content or {})
            for item, content in zip(self.events, self.contents, strict=True)
            if isinstance(item.event, kinds)
        ]
        return found[-1] if found else None

    @property
    def unknown(self) -> SendUnknown | None:
        """The outcome that waits to be settled; None when there is nothing to settle."""
        if self.state != "unknown":
            return None
        found = self.last(SendUnknown)
        return found[0] if found and isinstance(found[0], SendUnknown) else None

    def send(self, log: Log) -> Send | None:
        """The send as it was asked and last dispatched; None when its person was forgotten since."""
        kept = self.contents[self.events.index(self.request)]
        if kept is None:
            return None
        left = self.last(SendDispatched)
        return Send(
            asked=recalled(self.asked.face, kept["body"]),  # type: ignore[arg-type] # recorded from a Face
            line=self.asked.line or "",
            caller=self.asked.caller,
            reference=kept["reference"],
            send_id=self.send_id,
            now=(left[0] if left else self.asked).timestamp,
            ids=log.ids,
            path=kept.get("path") or f"{GRAPH_VERSION}/{self.asked.line}/messages",
            attempt=self.attempt,
        )


async def read(log: Log, send_id: UUID) -> Standing | None:
    """How a send stands now; None when this log knows no such send."""
    decision = sends.decision_key(log.ids, send_id)
    found = await log.by_keys([decision, *_keys(log, send_id, FIRST)])
    if decision not in found:
        return None
    first = FIRST
    while sends.settled_key(log.ids, send_id, first + ATTEMPTS - 1) in found:
        first += ATTEMPTS
        found |= await log.by_keys(_keys(log, send_id, first))
    events = tuple(sorted(found.values(), key=lambda item: item.position))
    contents = await log.opened([item.event for item in events])
    return Standing(send_id, found[decision], events, tuple(contents))


def _keys(log: Log, send_id: UUID, first: int) -> list[UUID]:
    attempts = range(first, first + ATTEMPTS)
    dispatch = [sends.dispatch_key(log.ids, send_id, FIRST)] if first == FIRST else []
    outcomes = [sends.outcome_key(log.ids, send_id, attempt) for attempt in attempts]
    return dispatch + outcomes + [sends.settled_key(log.ids, send_id, attempt) for attempt in attempts]
