"""What goes into one transaction: whole chunks of calls, each key once, an expected version's stream once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from gateway.store.outcomes import Draft, Outcome

MAX_ITEMS: Final = 500
OVERLAP: Final = 128
"""Of a queue longer than this a transaction takes half: while the database works on one half, the callers
of the other are answered and come again."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one transaction; a single larger draft goes alone."""


@dataclass(eq=False, slots=True)
class Call:
    """One call of append() and what is known of its drafts so far."""

    epoch: int
    answer: asyncio.Future[list[Outcome]]
    outcomes: list[Outcome | None]
    left: int
    """Drafts without an outcome."""
    is_begun: bool = False
    """A draft of it was sent: it may be stored."""
    error: Exception | None = None

    def settle(self, index: int, outcome: Outcome) -> None:
        """One draft has its outcome; with the last one the caller has its answer."""
        self.outcomes[index] = outcome
        self._one_less()

    def fail(self, error: Exception) -> None:
        """One draft can't be stored by any means; the caller hears of it when the others are settled."""
        self.error = error
        self._one_less()

    def _one_less(self) -> None:
        self.left -= 1
        if self.left or self.answer.done():
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result([outcome for outcome in self.outcomes if outcome is not None])


class Chunk(NamedTuple):
    """Drafts of one call that can be in one transaction, `start` is the index of the first one."""

    call: Call
    start: int
    drafts: Sequence[Draft]
    size: int


class Item(NamedTuple):
    """One draft on its way."""

    call: Call
    place: int
    """Its index in the call."""
    draft: Draft


@dataclass(eq=False, slots=True)
class _Room:
    """What a transaction holds, and so what it has no room for."""

    items: int = 0
    size: int = 0
    keys: set[UUID] = field(default_factory=set)
    streams: set[UUID] = field(default_factory=set)
    alone: set[UUID] = field(default_factory=set)
    """Streams of drafts with an expected version."""

    def is_for(self, drafts: Sequence[Draft], size: int) -> bool:
        if self.items and (self.items + len(drafts) > MAX_ITEMS or self.size + size > MAX_BYTES):
            return False
        return not any(
            draft.key in self.keys
            or draft.stream in self.alone
            or (draft.expected is not None and draft.stream in self.streams)
            for draft in drafts
        )

    def add(self, drafts: Sequence[Draft], size: int) -> None:
        self.items += len(drafts)
        self.size += size
        for draft in drafts:
            self.keys.add(draft.key)
            self.streams.add(draft.stream)
            if draft.expected is not None:
                self.alone.add(draft.stream)


def chunks_of(call: Call, drafts: Sequence[Draft]) -> Iterator[Chunk]:
    """The drafts of a call in as few chunks as can be, in their order."""
    room, start = _Room(), 0
    for index, draft in enumerate(drafts):
        size = len(draft.state)
        if not room.is_for([draft], size):
            yield Chunk(call, start, drafts[start:index], room.size)
            room, start = _Room(), index
        room.add([draft], size)
    yield Chunk(call, start, drafts[start:], room.size)


def take(queue: deque[Chunk]) -> list[Chunk]:
    """Take a batch from the front of the queue, of one epoch; what can't be with the others stays in front.

    A later chunk never overtakes an earlier one of its call.
    """
    room = _Room()
    enough = min(MAX_ITEMS, max(OVERLAP, len(queue) // 2))
    epoch = queue[0].call.epoch
    batch: list[Chunk] = []
    left: list[Chunk] = []
    deferred: set[int] = set()
    while queue and len(left) < MAX_ITEMS and room.items < enough and room.size < MAX_BYTES:
        chunk = queue.popleft()
        call = chunk.call
        if call.epoch == epoch and id(call) not in deferred and room.is_for(chunk.drafts, chunk.size):
            room.add(chunk.drafts, chunk.size)
            call.is_begun = True
            batch.append(chunk)
        else:
            left.append(chunk)
            deferred.add(id(call))
    queue.extendleft(reversed(left))
    return batch


def items_of(batch: Sequence[Chunk]) -> list[Item]:
    """The drafts of a batch, in their order."""
    return [
        Item(chunk.call, index, draft)
        for chunk in batch
        for index, draft in enumerate(chunk.drafts, chunk.start)
    ]
