"""What goes into the log, and what may become of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before the store gives it a version and a position."""

    stream: UUID
    topic: str
    state: bytes
    key: UUID
    """The dedupe key: an event with a known key is not stored again."""
    token: int
    """Random, 64 bits signed, drawn once before the first attempt: tells our own retry from a duplicate."""
    expected: int | None = None
    """The version its stream must have; None: any."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Stored; asked again with the same key and token, the same answer."""

    position: int
    version: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The key was known: where its event stands."""

    position: int
    version: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Not stored: the stream has another version than the expected one."""

    version: int


@dataclass(frozen=True, slots=True)
class Stale:
    """Not stored: people were erased or linked since the draft was sealed; seal again at this epoch."""

    epoch: int


Outcome = Appended | Duplicate | Conflict | Stale


class NotTaken(Exception):  # noqa: N818 - the answer to a caller, in the words of the contract
    """Surely not stored: the queue is full, closed, or the caller's patience ended while it waited."""


class InDoubt(Exception):  # noqa: N818 - the answer to a caller, in the words of the contract
    """The caller's patience ended while its drafts were on their way: they may be stored or not."""

    def __init__(self, outcomes: asyncio.Future[list[Outcome]]) -> None:
        """`outcomes` becomes known later; it is cancelled when the writer stops before that."""
        super().__init__("the log has not answered yet; the drafts may be stored or not")
        self.outcomes = outcomes
