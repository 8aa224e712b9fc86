"""The log as one list, appended to item by item: what the store is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True)
class Item:
    key: UUID
    stream: UUID
    expected: int | None = None
    token: int = 1


class Stored(NamedTuple):
    position: int
    stream: UUID
    version: int


@dataclass
class Model:
    head: int
    epoch: int
    stored: list[Stored] = field(default_factory=list)
    keys: dict[UUID, tuple[int, int, int]] = field(default_factory=dict)
    """Position, version and token."""
    versions: dict[UUID, int] = field(default_factory=dict)

    def append(self, item: Item) -> tuple[str, int, int | None]:
        """Outcome, version and position."""
        if item.key in self.keys:
            position, version, token = self.keys[item.key]
            return "appended" if token == item.token else "duplicate", version, position
        last = self.versions.get(item.stream, 0)
        if item.expected not in (None, last):
            return "conflict", last, None
        self.head, self.versions[item.stream] = self.head + 1, last + 1
        self.keys[item.key] = (self.head, last + 1, item.token)
        self.stored.append(Stored(self.head, item.stream, last + 1))
        return "appended", last + 1, self.head

    def takes(self, items: Sequence[Item]) -> bool:
        """Whether all items can be appended together."""
        keys = {item.key for item in items}
        return len(keys) == len(items) and not keys & self.keys.keys()

    def after(self, position: int, limit: int) -> list[Stored]:
        return [one for one in self.stored if one.position > position][:limit]
