"""What a lane knows of each partition: up to where everything is delivered, and what is on its way."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from gateway.deliveries.poster import Answer
from gateway.store.deliveries import Cursor, Note

ANSWERS: Final = 5
"""Answers that are kept of each partition."""
IDLE: Final = 5.0
"""Seconds after which a cursor is kept that moved without deliveries."""
_SPAN: Final = 10.0
"""Seconds over which a rate is smoothed."""


@dataclass(slots=True)
class Part:
    """One partition of one destination."""

    partition: int
    read: int
    """Up to here every event was looked at."""
    answers: deque[dict[str, Any]]
    on_the_way: dict[int, None] = field(default_factory=dict)
    """Positions that were read and are not delivered or parked, in order."""
    delivered: int = 0
    skipped: int = 0
    last_success: datetime | None = None
    rate: float = 0.0
    _is_answered: bool = False
    """Something was said since the last note."""
    _noted: int = -1
    _noted_at: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, cursor: Cursor) -> Part:
        """A partition as its cursor says."""
        known = deque(orjson.loads(cursor.answers), maxlen=ANSWERS)
        return cls(cursor.partition, cursor.position, known)

    @property
    def done(self) -> int:
        """Up to here nothing is left to do, but for what is parked."""
        return next(iter(self.on_the_way)) - 1 if self.on_the_way else self.read

    def answered(self, position: int, answer: Answer, now: datetime) -> None:
        """Keep what a destination said."""
        said = {"status": answer.status} if answer.error is None else {"error": answer.error}
        at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.answers.append({"at": at, "position": position, **said, "seconds": round(answer.seconds, 3)})
        self._is_answered = True

    def note(self, destination: UUID) -> Note | None:
        """What happened since the last note; None when nothing did that has to be kept now."""
        now, done = time.monotonic(), self.done
        passed = now - self._noted_at
        is_busy = bool(self.delivered or self.skipped or self.rate > 0 or self._is_answered)
        if not is_busy and (done == self._noted or passed < IDLE):
            return None
        share = min(1.0, passed / _SPAN)
        rate = self.rate * (1 - share) + self.delivered / max(passed, 0.001) * share
        self.rate = rate if rate > 0.01 else 0.0  # noqa: PLR2004 - of one a minute nothing is left
        note = Note(
            destination,
            self.partition,
            done,
            self.delivered,
            self.skipped,
            self.rate,
            self.last_success,
            orjson.dumps(list(self.answers)).decode(),
        )
        self.delivered, self.skipped, self._noted, self._noted_at = 0, 0, done, now
        self._is_answered = False
        return note

    def unnoted(self, note: Note) -> None:
        """A note that could not be kept is made again."""
        self.delivered += note.delivered
        self.skipped += note.skipped
        self._noted, self._is_answered = -1, True
