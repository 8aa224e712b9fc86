"""What is to happen, and when: the one place where a shard's time passes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from domain.facts import Fact

Happening = Callable[[datetime], Iterable[Fact]]
"""What a gateway would record at a time."""


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    at: float
    nth: int
    happens: Happening
    is_owed: bool


class Agenda:
    """Happenings in order of time, whatever the order in which they were put down."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._count = count()
        self._is_ending = False

    def add(self, at: float, happens: Happening, *, is_owed: bool = False) -> None:
        """`at`: in Unix seconds; `is_owed`: happens even when the history is over by then."""
        if is_owed or not self._is_ending:
            heapq.heappush(self._entries, _Entry(at, next(self._count), happens, is_owed))

    def end(self) -> None:
        """From here on only what is owed happens."""
        self._is_ending = True
        self._entries = [entry for entry in self._entries if entry.is_owed]
        heapq.heapify(self._entries)

    def facts(self) -> Iterator[Fact]:
        """The facts of all happenings, until there are none left."""
        while self._entries:
            entry = heapq.heappop(self._entries)
            yield from entry.happens(datetime.fromtimestamp(entry.at, UTC))
