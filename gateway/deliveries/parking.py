"""What is parked of one lane, by conversation, in the order of the log; the table has the same."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import random
from uuid import UUID

from domain.destinations import schedule
from gateway.store.deliveries import Parked


class ParkingLot:
    """Conversations that wait for their first event to be taken."""

    def __init__(self) -> None:
        self._queues: dict[UUID, deque[Parked]] = {}
        self._arriving: dict[UUID, int] = {}
        self._tried: set[UUID] = set()
        self.count = 0

    def fill(self, parked: Iterable[Parked]) -> None:
        """Begin with what the table holds, in order of position."""
        for one in parked:
            self._queues.setdefault(one.conversation, deque()).append(one)
            self.count += 1

    def has(self, conversation: UUID) -> bool:
        """Whether what comes of a conversation has to wait."""
        return conversation in self._queues

    def due(self, now: datetime) -> list[UUID]:
        """The conversations whose first event is to be tried now."""
        self._tidy()
        return [
            conversation
            for conversation, queue in self._queues.items()
            if conversation not in self._tried and queue and queue[0].next_at <= now
        ]

    @contextlib.contextmanager
    def arriving(self, one: Parked) -> Iterator[bool]:
        """While an event is stored; False when it is there already, as after a crash in between.

        Its conversation waits from the beginning on.
        """
        queue = self._queues.setdefault(one.conversation, deque())
        if any(known.position == one.position for known in queue):
            yield False
            return
        self._arriving[one.conversation] = self._arriving.get(one.conversation, 0) + 1
        try:
            yield True
            queue.append(one)
            self.count += 1
        finally:
            self._arriving[one.conversation] -= 1

    @contextlib.contextmanager
    def trying(self, conversation: UUID) -> Iterator[deque[Parked]]:
        """While a conversation is tried; nobody else tries it then."""
        self._tried.add(conversation)
        try:
            yield self._queues.get(conversation, deque())
        finally:
            self._tried.discard(conversation)
            self._tidy()

    def leave(self, queue: deque[Parked]) -> None:
        """The first one is delivered, or given up."""
        queue.popleft()
        self.count -= 1

    def put_off(self, one: Parked, now: datetime) -> None:
        """When an event that failed is tried next."""
        seconds = schedule.delay(one.attempts, random())  # noqa: S311 - jitter
        one.next_at = now + timedelta(seconds=seconds)

    def _tidy(self) -> None:
        """Conversations of which nothing waits go their normal way again."""
        for conversation in [one for one, queue in self._queues.items() if not queue]:
            if not self._arriving.get(conversation) and conversation not in self._tried:
                del self._queues[conversation]
                self._arriving.pop(conversation, None)
