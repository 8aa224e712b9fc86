"""What is parked of one lane, by conversation, in the order of the log; the table has the same."""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import random
from typing import Final
from uuid import UUID

from domain.destinations import schedule
from gateway.store.deliveries import Parked

MOST: Final = 100_000
"""Events; with more the destination stands still until some are delivered. Each takes 220 bytes, or
1.2 KB where it waits alone."""
AT_ONCE: Final = 500
"""Conversations that are tried: where more are due, as when a destination is resumed, the others wait."""


class ParkingLot:
    """Conversations that wait for their first event to be taken."""

    def __init__(self) -> None:
        self._queues: dict[UUID, deque[Parked]] = {}
        self._newest: dict[UUID, int] = {}
        """The last position of each that is or was here."""
        self._next: list[tuple[datetime, UUID]] = []
        """A heap: when the first event of each is to be tried."""
        self._arriving: dict[UUID, int] = {}
        self._tried: set[UUID] = set()
        self.count = 0

    def fill(self, parked: Iterable[Parked]) -> None:
        """Begin with what the table holds, in order of position."""
        for one in parked:
            self._append(self._queues.setdefault(one.conversation, deque()), one)

    def has(self, conversation: UUID) -> bool:
        """Whether what comes of a conversation has to wait."""
        return conversation in self._queues

    def due(self, now: datetime) -> list[UUID]:
        """The conversations whose first event is to be tried now."""
        due: dict[UUID, None] = {}
        room = AT_ONCE - len(self._tried)
        while self._next and self._next[0][0] <= now and len(due) < room:
            _, conversation = heapq.heappop(self._next)
            queue = self._queues.get(conversation)
            if queue and conversation not in self._tried and queue[0].next_at <= now:
                due[conversation] = None
        return list(due)

    @contextlib.contextmanager
    def arriving(self, one: Parked) -> Iterator[bool]:
        """While an event is stored; False when it is there already, as after a crash in between.

        Its conversation waits from the beginning on.
        """
        queue = self._queues.setdefault(one.conversation, deque())
        if one.position <= self._newest.get(one.conversation, 0) and any(
            known.position == one.position for known in queue
        ):
            yield False
            return
        self._arriving[one.conversation] = self._arriving.get(one.conversation, 0) + 1
        try:
            yield True
            self._append(queue, one)
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
            if queue := self._queues.get(conversation):
                heapq.heappush(self._next, (queue[0].next_at, conversation))
            else:
                self._leave_alone(conversation)

    def leave(self, queue: deque[Parked]) -> None:
        """The first one is delivered, or given up."""
        queue.popleft()
        self.count -= 1

    def put_off(self, one: Parked, now: datetime) -> None:
        """When an event that failed is tried next."""
        seconds = schedule.delay(one.attempts, random())  # noqa: S311 - jitter
        one.next_at = now + timedelta(seconds=seconds)

    def _append(self, queue: deque[Parked], one: Parked) -> None:
        queue.append(one)
        self.count += 1
        self._newest[one.conversation] = max(one.position, self._newest.get(one.conversation, 0))
        if len(queue) == 1:
            heapq.heappush(self._next, (one.next_at, one.conversation))

    def _leave_alone(self, conversation: UUID) -> None:
        """A conversation of which nothing waits goes its normal way again."""
        if not self._arriving.get(conversation):
            for known in (self._queues, self._newest, self._arriving):
                known.pop(conversation, None)
