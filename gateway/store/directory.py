"""The directory: whose each fact is, which stream it belongs to, and the key it is sealed under."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain.facts import Alias, Fact
from domain.ids import Ids
from domain.people import of_phone, of_user_id
from gateway.store.keyring import Masters, SubjectKey, month_of
from gateway.store.learning import Learner
from gateway.store.outcomes import Duplicate
from gateway.store.patience import within
from gateway.store.postgres import Connection, Pool
from gateway.store.subjects import Subjects
from projections.sql import load

CACHED: Final = 200_000
"""Aliases and keys kept in memory; beyond, the cache starts anew."""

LESSON: Final = 5.0
"""Seconds that one may take: a silent server must not keep those that wait for the next."""

_NUMBER: Final = re.compile(r"\+?[0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fact goes, and what seals it."""

    stream: UUID
    key: SubjectKey
    owner: UUID
    """The root person of its subject."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A place for each fact, or what it is a duplicate of; good for one epoch of the log."""

    epoch: int
    places: list[Place | Duplicate]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A line and a person, or a line and a group, with all linked streams; the oldest is the root's."""

    line: str
    streams: tuple[UUID, ...]


class Directory:
    """Persons, groups, lines and accounts of one log, and their keys."""

    def __init__(self, pool: Pool, schema: str, *, ids: Ids, log_id: UUID, masters: Masters) -> None:
        self._pool = pool
        self._sql: Mapping[str, str] = load("gateway.store", "directory.sql", schema)
        self._ids = ids
        self._subjects = Subjects(ids)
        self._learner = Learner(schema, ids, log_id, masters, self._subjects)
        self._wanted: list[Sequence[Fact]] = []
        self._lesson: asyncio.Task[None] | None = None
        self.forget()

    def forget(self) -> None:
        """Drop what is cached: people were linked or erased since."""
        self._epoch: int | None = None
        self._owners: dict[UUID, UUID] = {}
        self._keys: dict[tuple[UUID, int], SubjectKey] = {}
        self._streams: set[UUID] = set()
        self._told: dict[UUID, UUID] = {}
        """Owners by key of facts that wait for them: their aliases alone might name somebody else by now."""

    def known(self, facts: Sequence[Fact]) -> Resolved | None:
        """Whose the facts are, where that is in memory for all of them."""
        return self._resolved(facts, [self._cached(fact) for fact in facts])

    def _resolved(self, facts: Sequence[Fact], places: Sequence[Place | Duplicate | None]) -> Resolved | None:
        found = [place for place in places if place is not None]
        if len(found) < len(places) or self._epoch is None:
            return None
        if self._told:
            for fact in facts:
                self._told.pop(fact.key, None)
        return Resolved(self._epoch, found)

    async def resolve(self, facts: Sequence[Fact]) -> Resolved:
        """Find or make whose the facts are."""
        duplicates: dict[UUID, Duplicate] = {}
        while True:
            places = [duplicates.get(fact.key) or self._cached(fact) for fact in facts]
            if resolved := self._resolved(facts, places):
                return resolved
            duplicates |= await self._duplicates([fact for fact in facts if fact.key not in duplicates])
            news = [fact for fact in facts if fact.key not in duplicates]
            if self._epoch is None or not self._knows(news):
                await self._taught(news)

    def _knows(self, facts: Sequence[Fact]) -> bool:
        return all(self._cached(fact) is not None for fact in facts)

    async def _taught(self, facts: Sequence[Fact]) -> None:
        """Return when a lesson about facts, and about all that waited with them, has ended.

        Those of one call are learnt together: one may take a number from the person of another, and what
        was known of that one is forgotten then. Nobody waits for more than the lesson that goes on and the
        next. Errors are told to who began a lesson; the others try again.
        """
        self._wanted.append(facts)
        if self._lesson is not None:
            await asyncio.wait([self._lesson])
        if any(call is facts for call in self._wanted):
            await asyncio.shield(self._begin_lesson())
        elif self._lesson is not None:  # begun by somebody who woke earlier
            await asyncio.wait([self._lesson])

    def _begin_lesson(self) -> asyncio.Task[None]:
        news = {fact.key: fact for call in self._wanted if not self._knows(call) for fact in call}
        self._wanted.clear()
        self._lesson = asyncio.create_task(within(LESSON, self._learn([*news.values()])))
        self._lesson.add_done_callback(self._end_lesson)
        return self._lesson

    def _end_lesson(self, lesson: asyncio.Task[None]) -> None:
        self._lesson = None
        if not lesson.cancelled():
            lesson.exception()  # who began it may be gone

    def _cached(self, fact: Fact) -> Place | None:
        owner = self._told.get(fact.key)
        if owner is None:
            owners = {self._owners.get(alias) for alias in self._subjects.aliases(fact)}
            owner = owners.pop() if len(owners) == 1 else None
            if owner is None:
                return None
        key = self._keys.get((owner, month_of(fact.recorded_at)))
        stream = self._subjects.stream(fact, owner)
        return Place(stream, key, owner) if key and stream in self._streams else None

    async def _duplicates(self, facts: Sequence[Fact]) -> Mapping[UUID, Duplicate]:
        """Known keys come first: a duplicate never makes a person."""
        if not facts:
            return {}
        rows = await self._pool.fetch(self._sql["known"], [fact.key for fact in facts])
        return {row["key"]: Duplicate(row["notification_id"], row["originator_version"]) for row in rows}

    async def _learn(self, facts: Sequence[Fact]) -> None:
        async with self._pool.acquire() as db, db.transaction():
            lesson = await self._learner.learn(db, facts)
        if lesson.epoch != self._epoch or self._is_full:
            self.forget()
        self._epoch = lesson.epoch
        self._told |= lesson.owners
        self._owners |= lesson.holders
        self._keys |= lesson.keys
        self._streams |= lesson.streams

    @property
    def _is_full(self) -> bool:
        return len(self._owners) + len(self._keys) + len(self._told) > CACHED

    async def conversation(
        self, line: str, contact: str, db: Connection | None = None
    ) -> Conversation | None:
        """The conversation of a line with `contact`: digits, `+digits`, user id, or the conversation's id.

        None when this log never saw it.
        """
        reading = db or self._pool
        conversation_id = _uuid(contact)
        if conversation_id:
            rows = await reading.fetch(self._sql["of conversation"], conversation_id, line)
        elif alias := _alias(contact):
            rows = await reading.fetch(self._sql["of alias"], self._subjects.of_contact(alias), line)
        else:
            rows = []
        return Conversation(line, tuple(row["conversation_id"] for row in rows)) if rows else None

    async def everywhere(self, contact: str, db: Connection | None = None) -> list[Conversation]:
        """The conversations of a person on every line; `contact` as in `conversation`."""
        reading = db or self._pool
        conversation_id = _uuid(contact)
        if conversation_id:
            rows = await reading.fetch(self._sql["everywhere of conversation"], conversation_id)
        elif alias := _alias(contact):
            rows = await reading.fetch(self._sql["everywhere of alias"], self._subjects.of_contact(alias))
        else:
            rows = []
        streams: dict[str, list[UUID]] = {}
        for row in rows:
            streams.setdefault(row["line"], []).append(row["conversation_id"])
        return [Conversation(line, tuple(of_line)) for line, of_line in streams.items()]

    def group(self, line: str, group_id: str) -> Conversation:
        """The conversation of a line with a group."""
        return Conversation(line, (self._ids.group_stream(line, self._ids.group(line, group_id)),))


def _alias(contact: str) -> Alias | None:
    return of_phone(contact) if _NUMBER.fullmatch(contact) else of_user_id(contact)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
