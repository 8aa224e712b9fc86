"""Whether a destination as a whole is tried: open, shut for a while, or half open for a few to find out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from random import random
from typing import Final
from uuid import UUID

from domain.destinations import schedule

EVIDENCE: Final = 5
"""So many conversations that fail in a row, and none succeeds in between, are the destination's fault."""
PROBES: Final = 3
"""Conversations that try again when it is time: of one alone it could be its own fault."""
ANSWER_BY: Final = timedelta(seconds=60)
"""When those that try have their answers, or others try."""


class Gate:
    """All deliveries to a destination pass here; `tick` must be called now and then."""

    def __init__(self, clock: Callable[[], datetime], *, failing_since: datetime | None = None) -> None:
        """`failing_since`: of a destination that took nothing when it was last seen."""
        self._clock = clock
        self._failures = 0
        self._in_a_row: set[UUID] = set()
        self._until: datetime | None = None
        self._turn = 0
        self._tickets = 0
        self._trying = 0
        self._is_closed = False
        self._changed = asyncio.Event()
        self.failing_since = failing_since
        if failing_since is not None:
            elapsed = (clock() - failing_since).total_seconds()
            self._failures = schedule.failures_within(elapsed)
            self._until = clock()

    @property
    def is_open(self) -> bool:
        """Whether deliveries pass freely."""
        return self._until is None

    @property
    def until(self) -> datetime | None:
        """When it is tried again; None when it is open."""
        return self._until

    async def enter(self) -> int:
        """Wait until a delivery may be tried; which turn it is in."""
        while not self.is_open and not self._is_closed:
            if self._tickets:
                self._tickets -= 1
                self._trying += 1
                break
            await self._changed.wait()
        if self._is_closed:
            raise asyncio.CancelledError
        return self._turn

    def succeeded(self) -> bool:
        """Something was delivered; whether it opened the gate."""
        was_shut = not self.is_open
        if was_shut:
            self._turn += 1
        self._failures, self._until, self._tickets, self._trying = 0, None, 0, 0
        self._in_a_row.clear()
        self.failing_since = None
        self._wake()
        return was_shut

    def failed(self, conversation: UUID, turn: int) -> bool:
        """Something was not taken; whether that shuts the gate, at first or again.

        What began in a turn before says nothing new.
        """
        if turn != self._turn:
            return False
        self._in_a_row.add(conversation)
        if self.is_open and len(self._in_a_row) < EVIDENCE:
            return False
        if not self.is_open:
            self._trying -= 1
            if self._trying > 0:
                return False
        self._failures += 1
        now = self._clock()
        self.failing_since = self.failing_since or now
        self._shut(now + timedelta(seconds=schedule.delay(self._failures, random())))  # noqa: S311 - jitter
        return True

    def untried(self, turn: int) -> None:
        """There was nothing to deliver: somebody else may find out."""
        if turn == self._turn and not self.is_open:
            self._trying -= 1
            self._tickets += 1
            self._wake()

    def wait(self, seconds: float) -> None:
        """It asked for a pause."""
        now = self._clock()
        self.failing_since = self.failing_since or now
        self._shut(now + timedelta(seconds=seconds))

    def tick(self) -> None:
        """Let a few try when it is time."""
        now = self._clock()
        if self._until is not None and self._until <= now:
            self._turn += 1
            self._until, self._tickets, self._trying = now + ANSWER_BY, PROBES, 0
            self._wake()

    def close(self) -> None:
        """Whoever waits here is cancelled."""
        self._is_closed = True
        self._wake()

    def _shut(self, until: datetime) -> None:
        self._turn += 1
        self._until, self._tickets, self._trying = until, 0, 0

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
