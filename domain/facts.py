"""What happened, before it is sealed and placed in a stream.

`domain` turns the wire into facts; `gateway` finds whose they are, seals them and appends events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from domain.events import Event


class AliasKind(StrEnum):
    """The kinds of identifier by which WhatsApp knows a person."""

    PHONE = "phone"
    BSUID = "bsuid"
    PARENT = "parent"
    OTHER = "other"
    """What names something that is no person."""


class Alias(NamedTuple):
    """One identifier of a person, as WhatsApp wrote it (a phone number reduced to its digits).

    A tuple, like Person: both are looked up for every item, and tuples are hashed without Python.
    """

    kind: AliasKind
    value: str


class Evidence(StrEnum):
    """How strongly WhatsApp says that the aliases of one item are one person."""

    SEEN = "seen"
    """They stood together in one item: from + from_user_id, wa_id + user_id, ..."""
    ANSWERED = "answered"
    """A send's answer: WhatsApp knows `input` as `wa_id`."""
    CHANGED = "changed"
    """system.user_changed_number or user_changed_user_id."""


class Person(NamedTuple):
    """A person, by all aliases that one item names together (never empty)."""

    aliases: tuple[Alias, ...]
    evidence: Evidence = Evidence.SEEN


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a line, as the subject of sends to it and of its notices."""

    group_id: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line as the subject of its own data."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account (WABA) or portfolio as the subject of its own data."""

    account: str


@dataclass(frozen=True, slots=True)
class Item:
    """Nobody we can name: a key of its own, deleted with the item's retention."""

    account: str


Subject = Person | Group | Line | Account | Item
"""Whose data it is: names the key it is sealed under."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One event to be: its class, its public facts, its personal data and whose they are.

    The stream follows from `group_id` (the group's conversation), else from the subject: a person's
    conversation with `line`; the line's or the account's own stream otherwise.
    """

    event: type[Event]
    line: str | None
    subject: Subject
    key: UUID
    recorded_at: datetime
    public: dict[str, Any] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)
    group_id: str | None = None
