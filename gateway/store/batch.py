"""What goes into one transaction: whole chunks of calls, each key once, an expected version's stream once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from gateway.store.outcomes import Draft, Outcome

MAX_ITEMS: Final = 500
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one transaction; a single larger item goes alone."""


@dataclass(eq=False, slots=True)
class Call:
    """One call of append() and what is known of its drafts so far."""

    epoch: int
    answer: asyncio.Future[list[Outcome]]
    outcomes: list[Outcome | None]
    left: int = field(init=False)
    is_begun: bool = False
    """A draft of it was sent: it may be stored."""
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.left = len(self.outcomes)

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


@dataclass(frozen=True, slots=True)
class Item:
    """One draft of a call."""

    call: Call
    index: int
    draft: Draft


@dataclass(eq=False, slots=True)
class Chunk:
    """Drafts of one call that can be in one transaction."""

    call: Call
    items: list[Item] = field(default_factory=list)
    size: int = 0
    keys: set[UUID] = field(default_factory=set)
    streams: set[UUID] = field(default_factory=set)
    alone: set[UUID] = field(default_factory=set)
    """Streams of drafts with an expected version."""

    def has_room_for(self, other: Chunk) -> bool:
        """Whether both may be in one transaction."""
        return (
            len(self.items) + len(other.items) <= MAX_ITEMS
            and self.size + other.size <= MAX_BYTES
            and self.keys.isdisjoint(other.keys)
            and self.alone.isdisjoint(other.streams)
            and self.streams.isdisjoint(other.alone)
        )

    def add(self, other: Chunk) -> None:
        """Take the other's drafts in."""
        self.items += other.items
        self.size += other.size
        self.keys |= other.keys
        self.streams |= other.streams
        self.alone |= other.alone


def chunks_of(call: Call, drafts: Sequence[Draft]) -> Iterator[Chunk]:
    """The drafts of a call in as few chunks as can be, in their order."""
    chunk = Chunk(call)
    for index, draft in enumerate(drafts):
        one = _chunk(Item(call, index, draft))
        if chunk.items and not chunk.has_room_for(one):
            yield chunk
            chunk = one
        else:
            chunk.add(one)
    yield chunk


def _chunk(item: Item) -> Chunk:
    stream = {item.draft.stream}
    alone = set() if item.draft.expected is None else stream
    return Chunk(item.call, [item], len(item.draft.state), {item.draft.key}, stream, alone)


def take(queue: deque[Chunk]) -> list[Chunk]:
    """Take a batch from the front of the queue, of one epoch; what can't be with the others stays in front.

    A later chunk never overtakes an earlier one of its call.
    """
    first = queue.popleft()
    batch = [first]
    room = Chunk(first.call)
    room.add(first)
    left: list[Chunk] = []
    deferred: set[int] = set()
    while queue and len(left) < MAX_ITEMS and len(room.items) < MAX_ITEMS and room.size < MAX_BYTES:
        chunk = queue.popleft()
        if (
            chunk.call.epoch == first.call.epoch
            and room.has_room_for(chunk)
            and id(chunk.call) not in deferred
        ):
            batch.append(chunk)
            room.add(chunk)
        else:
            left.append(chunk)
            deferred.add(id(chunk.call))
    queue.extendleft(reversed(left))
    for chunk in batch:
        chunk.call.is_begun = True
    return batch
