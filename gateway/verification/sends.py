"""Every dispatch has one outcome, and nothing leaves a second time unless somebody said so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.events import (
    Recorded,
    SendAccepted,
    SendDispatched,
    SendFailed,
    SendRequested,
    SendSettled,
    SendUnknown,
)
from domain.sends import FIRST
from gateway.verification.findings import Findings

Attempt = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class _Left:
    position: int
    at: datetime


class Sends:
    """Follows all sends at once; what it holds are those on their way and those unknown."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._asked: dict[UUID, int] = {}
        self._open: dict[Attempt, _Left] = {}
        self._unknown: dict[Attempt, int] = {}
        self._unordered: dict[Attempt, int] = {}
        self.dispatches = 0
        self.outcomes = 0

    @property
    def unknown(self) -> int:
        """How many wait to be settled."""
        return len(self._unknown)

    @property
    def on_their_way(self) -> int:
        """How many have no outcome yet."""
        return len(self._open)

    def follow(self, page: Iterable[Recorded]) -> None:
        """The next events, in order."""
        for item in page:
            match item.event:
                case SendRequested(send_id=send_id):
                    self._asked[UUID(send_id)] = item.position
                case SendDispatched() as left:
                    self._dispatched(item.position, left)
                case SendAccepted() | SendFailed() | SendUnknown() as outcome:
                    self._outcome(item.position, outcome)
                case SendSettled() as settled:
                    self._settled(item.position, settled)
                case _:
                    pass

    def close(self, now: datetime, patience: timedelta) -> None:
        """At the end of the log: `patience` is how long a dispatch may go without an outcome."""
        for (send_id, attempt), left in self._open.items():
            if now - left.at > patience:
                text = f"attempt {attempt} of send {send_id} has no outcome, and is older than {patience}"
                self._wrong(left.position, text)
        for (send_id, attempt), position in self._unordered.items():
            self._wrong(position, f"attempt {attempt} of send {send_id} left, and nobody's order is recorded")

    def _dispatched(self, position: int, left: SendDispatched) -> None:
        one = UUID(left.send_id), left.attempt
        self.dispatches += 1
        self._open[one] = _Left(position, left.timestamp)
        if left.attempt == FIRST:
            if self._asked.pop(one[0], None) is None:
                self._wrong(position, f"send {left.send_id} left, and nobody asked for it")
            return
        if self._unknown.pop((one[0], left.attempt - 1), None) is None:
            text = f"send {left.send_id} left again although attempt {left.attempt - 1} was not unknown"
            self._wrong(position, text)
        if left.caller is None:
            self._unordered[one] = position

    def _outcome(self, position: int, outcome: SendAccepted | SendFailed | SendUnknown) -> None:
        one = UUID(outcome.send_id), outcome.attempt
        self.outcomes += 1
        if self._open.pop(one, None) is None:
            text = f"an outcome of attempt {one[1]} of send {one[0]}, which has one already, or never left"
            self._wrong(position, text)
        if isinstance(outcome, SendUnknown):
            self._unknown[one] = position

    def _settled(self, position: int, settled: SendSettled) -> None:
        send_id = UUID(settled.send_id)
        if settled.settled_as == "resend":
            # What was repeated before dispatches named who ordered it.
            self._unordered.pop((send_id, settled.attempt + 1), None)
        elif self._unknown.pop((send_id, settled.attempt), None) is None:
            text = f"attempt {settled.attempt} of send {send_id} was settled without being unknown"
            self._wrong(position, text)

    def _wrong(self, position: int, text: str) -> None:
        self._findings.add("sends", position, text)
