"""One log: facts in, events out. Whose is it (directory), seal it (keyring), append it (writer)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from secrets import randbits
from typing import Any, Final
from uuid import UUID

import asyncpg

from domain.events import TOPICS, Event, Recorded, Undecodable
from domain.facts import Fact, Person
from domain.ids import Ids
from gateway.store.codec import encode_state
from gateway.store.directory import Conversation, Directory, Place, Resolved
from gateway.store.keyring import Masters, Wrapped, associated_data, new_key, pepper_bound_to
from gateway.store.opening import Opener
from gateway.store.outcomes import Appended, Conflict, Draft, Duplicate, NotTaken, Outcome, Stale
from gateway.store.patience import within
from gateway.store.postgres import NO_LIMIT, Connection, Pool, Postgres
from gateway.store.writer import Writer
from projections.sql import load

Recording = Appended | Duplicate
"""What became of a fact: stored, or known already."""


class Log:
    """The log of one account. Use `open`."""

    def __init__(
        self,
        *,
        log_id: UUID,
        ids: Ids,
        directory: Directory,
        opener: Opener,
        writer: Writer,
        pool: Pool,
        schema: str,
    ) -> None:
        self.log_id = log_id
        self.ids = ids
        self.masters = opener.masters
        self._directory = directory
        self._opener = opener
        self._writer = writer
        self._pool = pool
        self._reader = Postgres(pool, schema)
        self._drop_keys = load("gateway.store", "directory.sql", schema)["drop expired keys"]

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, pool: Pool, schema: str, *, master_keys: Sequence[bytes]
    ) -> AsyncIterator[Log]:
        """An open log; at the end it appends what it has taken. Raises WrongMasterKeyError.

        `url`: for the writer's own connection.
        """
        masters = Masters(master_keys)
        log_id, _ = await Postgres(pool, schema).identity()
        ids = Ids(await _pepper(pool, schema, masters, log_id))
        async with Writer.open(url, pool, schema) as writer:
            yield cls(
                log_id=log_id,
                ids=ids,
                directory=Directory(pool, schema, ids=ids, log_id=log_id, masters=masters),
                opener=Opener(pool, schema, log_id=log_id, masters=masters),
                writer=writer,
                pool=pool,
                schema=schema,
            )

    @property
    def waiting(self) -> int:
        """Events that wait to be appended."""
        return self._writer.waiting

    async def record(self, facts: Sequence[Fact], *, patience: float) -> list[Recording]:
        """Record facts; what became of each, after the commit.

        Up to 500 are stored together or not at all. After `patience` seconds raises NotTaken (nothing of a
        call that is stored together is or will be stored) or InDoubt.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        # From the system: of one seeded generator, two gateways' duplicates would be one's own retries.
        first_token = randbits(62)
        tokens = range(first_token, first_token + len(facts))
        known: dict[int, Recording] = {}
        # The first of a key counts, whomever another names: only one of them has a place in the log.
        firsts: dict[UUID, int] = {}
        for index, fact in enumerate(facts):
            firsts.setdefault(fact.key, index)
        while left := [index for index in firsts.values() if index not in known]:
            wanted = [facts[index] for index in left]
            resolved = self._directory.known(wanted) or await self._learned(wanted, end - loop.time())
            drafts: dict[int, Draft] = {}
            for index, place in zip(left, resolved.places, strict=True):
                if isinstance(place, Duplicate):
                    known[index] = place
                else:
                    drafts[index] = draft(
                        facts[index], place, tokens[index], log_id=self.log_id, ids=self.ids
                    )
            rest = max(0.0, end - loop.time())
            outcomes = await self._writer.append([*drafts.values()], resolved.epoch, patience=rest)
            for index, outcome in zip(drafts, outcomes, strict=True):
                self._settle(known, index, outcome)
        return [
            known[index] if index in known else _again(known[firsts[fact.key]])
            for index, fact in enumerate(facts)
        ]

    async def _learned(self, facts: Sequence[Fact], patience: float) -> Resolved:
        try:
            return await within(patience, self._directory.resolve(facts))
        except TimeoutError:
            raise NotTaken("the directory does not answer") from None

    def _settle(self, known: dict[int, Recording], index: int, outcome: Outcome) -> None:
        match outcome:
            case Appended() | Duplicate():
                known[index] = outcome
            case Stale():
                self._directory.forget()
            case Conflict():
                raise AssertionError("nothing here expects a version")

    async def conversation(
        self, line: str, contact: str, db: Connection | None = None
    ) -> Conversation | None:
        """The conversation of a line with a person or group; None when this log never saw it.

        `contact`: digits, `+digits`, a user id, or the conversation's id. `db`: one that the caller has.
        """
        return await self._directory.conversation(line, contact, db)

    async def everywhere(self, contact: str, db: Connection | None = None) -> list[Conversation]:
        """The conversations of a person on every line; `contact` and `db` as in `conversation`."""
        return await self._directory.everywhere(contact, db)

    def group(self, line: str, group_id: str) -> Conversation:
        """The conversation of a line with a group."""
        return self._directory.group(line, group_id)

    async def after(self, position: int, limit: int) -> list[Recorded | Undecodable]:
        """At most `limit` events in order, from the first after `position`."""
        return await self._reader.after(position, limit)

    async def age_after(self, position: int, now: datetime) -> float:
        """Seconds since the first event after a position was recorded; 0 where there is none."""
        for item in await self.after(position, 1):
            if isinstance(item, Recorded):
                return round(max(0.0, (now - item.event.timestamp).total_seconds()), 3)
        return 0.0

    async def head(self) -> int:
        """The last position; 0 when the log is empty."""
        return await self._reader.head()

    async def history(
        self, streams: Sequence[UUID], after: int = 0, limit: int = NO_LIMIT
    ) -> list[Recorded | Undecodable]:
        """The events of some streams together, in order, from the first after that position."""
        return await self._reader.streams(streams, after, limit)

    async def events_at(self, positions: Sequence[int]) -> list[Recorded | Undecodable]:
        """The events at these positions, in order; positions that don't exist are left out."""
        return await self._reader.events_at(positions)

    async def by_keys(self, keys: Sequence[UUID]) -> dict[UUID, Recorded]:
        """The events with these dedupe keys, as far as they are stored and this release can read them."""
        found = await self._reader.by_keys(keys)
        return {key: item for key, item in found.items() if isinstance(item, Recorded)}

    async def opened(self, events: Sequence[Event]) -> list[dict[str, Any] | None]:
        """The content of each event; None where nothing is sealed, or its key is gone."""
        return await self._opener.open(events)

    async def derive(self, event: Event, purpose: bytes) -> bytes | None:
        """A secret of 32 bytes that lasts as long as the key of an event's content; None where that is gone.

        The same for the same event's key and purpose.
        """
        return await self._opener.derive(event, purpose)

    async def drop_expired_keys(self, now: datetime, oldest_month: int | None) -> None:
        """Make content that is past its time unreadable; `oldest_month` (202611) is the last one kept."""
        await self._pool.execute(self._drop_keys, now, oldest_month)


def _again(first: Recording) -> Duplicate:
    return Duplicate(first.position, first.version)


def draft(fact: Fact, place: Place, token: int, *, log_id: UUID, ids: Ids) -> Draft:
    """The event of a fact, sealed for its place in the log with this id."""
    topic = fact.event.TOPIC
    bound = associated_data(log_id, place.stream, topic, fact.key.bytes)
    state = {
        "timestamp": fact.recorded_at,
        "line": fact.line,
        "key": str(fact.key),
        "sealed": place.key.seal(fact.private, bound) if fact.private else None,
        **fact.public,
        **_of_group(fact, place, ids),
    }
    return Draft(place.stream, topic, encode_state(fact.event, state), fact.key, token)


def _of_group(fact: Fact, place: Place, ids: Ids) -> Mapping[str, str]:
    """Keyed ids of the group and of who in it the fact is about, where its event has them."""
    if not fact.group_id or not fact.line:
        return {}
    of_group = {"group_key": str(ids.group(fact.line, fact.group_id))}
    if isinstance(fact.subject, Person):
        of_group["participant_key"] = str(ids.participant(fact.line, place.owner))
    return {name: key for name, key in of_group.items() if name in _FIELDS[fact.event.TOPIC]}


async def begun(db: Connection, schema: str) -> UUID | None:
    """The id of the log that a schema holds; None where none was begun."""
    try:
        log_id: UUID | None = await db.fetchval(load("gateway.store", "queries.sql", schema)["identity"])
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return None
    return log_id


async def opens(db: Connection, schema: str, *, master_keys: Sequence[bytes]) -> bool:
    """Whether there is a log and one of the keys opens it; False where none was begun.

    Nothing is written. Raises WrongMasterKeyError.
    """
    log_id = await begun(db, schema)
    if log_id is None:
        return False
    row = await db.fetchrow(load("gateway.store", "directory.sql", schema)["pepper"])
    if row is None:
        return False
    Masters(master_keys).unwrap(Wrapped(*row), pepper_bound_to(log_id))
    return True


async def _pepper(pool: Pool, schema: str, masters: Masters, log_id: UUID) -> bytes:
    """The secret of all keyed ids: random, made with the log, never changed."""
    sql = load("gateway.store", "directory.sql", schema)
    wrapped = masters.wrap(new_key(), pepper_bound_to(log_id))
    await pool.execute(sql["begin"], wrapped.data, wrapped.master_id)
    row = await pool.fetchrow(sql["pepper"])
    if row is None:
        raise LookupError("the directory has no pepper although it was just made")
    return masters.unwrap(Wrapped(*row), pepper_bound_to(log_id))


_FIELDS: Final = {topic: {field.name for field in fields(event)} for topic, event in TOPICS.items()}
