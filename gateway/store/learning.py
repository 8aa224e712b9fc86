"""What the directory learns from facts about people it did not know: one transaction under its lock.

One place and one order: two gateways that meet the same people at the same time wait for each other, and no
person is made twice (domain/people.py has the rules).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import randbits
from typing import Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain import people
from domain.events import IdentityLinked, make
from domain.facts import Alias, AliasKind, Fact, Item
from domain.ids import Ids
from domain.people import Holder
from gateway.store.codec import encode
from gateway.store.keyring import Masters, SubjectKey, Wrapped, bound_to, month_of, new_key
from gateway.store.outcomes import Draft
from gateway.store.postgres import Connection, append_together
from gateway.store.subjects import Subjects
from projections.sql import load

ITEM_KEPT: Final = timedelta(days=90)
"""How long content that names nobody can be read: nobody could ask for its erasure."""


@dataclass(slots=True)
class Lesson:
    """What was learnt; nothing of it may be used before the transaction's commit."""

    epoch: int
    """Of the log. It grows when people are linked or an alias moves: what is cached anywhere is void then."""
    owners: dict[UUID, UUID]
    """Root person by the fact's key."""
    holders: dict[UUID, UUID]
    """Root person by alias; of facts that name one number with two user ids, the last one has it."""
    keys: dict[tuple[UUID, int], SubjectKey]
    streams: set[UUID]


class Learner:
    """Reads and writes the directory of one log."""

    def __init__(self, schema: str, ids: Ids, log_id: UUID, masters: Masters, subjects: Subjects) -> None:
        self._schema = schema
        self._sql: Mapping[str, str] = load("gateway.store", "directory.sql", schema)
        self._ids = ids
        self._log_id = log_id
        self._masters = masters
        self._subjects = subjects

    async def learn(self, db: Connection, facts: Sequence[Fact]) -> Lesson:
        """Find or make whose the facts are; the caller holds the transaction."""
        await db.execute(self._sql["lock"])
        state = await db.fetchrow(self._sql["state"])
        if state is None:
            raise LookupError("log_head is empty: the schema was not made by a migration")
        epoch: int = state["epoch"]
        holders = await self._holders(db, facts)
        meeting = _Meeting(self._subjects, holders, newest=state["newest"])
        for fact in facts:
            meeting.meet(fact)
        await self._write(db, meeting)
        for fact, root, linked in meeting.links:
            await self._link(db, fact, root, linked)
        if meeting.links or meeting.moved:
            epoch = await db.fetchval(load("gateway.store", "queries.sql", self._schema)["next epoch"])
        owners = {fact.key: meeting.owner(fact) for fact in facts}
        return Lesson(
            epoch,
            owners,
            meeting.holders,
            keys=await self._keys(db, facts, owners),
            streams=await self._conversations(db, facts, owners),
        )

    async def _holders(self, db: Connection, facts: Iterable[Fact]) -> dict[UUID, Holder]:
        aliases = {alias for fact in facts for alias in self._subjects.aliases(fact)}
        rows = await db.fetch(self._sql["holders"], aliases) if aliases else []
        return {row["alias"]: Holder(row["person_id"], row["made"], row["has_bsuid"]) for row in rows}

    async def _write(self, db: Connection, meeting: _Meeting) -> None:
        if meeting.people:
            ids, kinds = [one.person_id for one, _ in meeting.people], [kind for _, kind in meeting.people]
            await db.execute(self._sql["make people"], ids, kinds, [one.made for one, _ in meeting.people])
        if meeting.claims:
            claimed = [*meeting.claims.values()]
            kinds, owners = [kind for kind, _ in claimed], [owner for _, owner in claimed]
            await db.execute(self._sql["claim"], [*meeting.claims], kinds, owners)

    async def _link(self, db: Connection, fact: Fact, root: UUID, linked: UUID) -> None:
        """IdentityLinked to both streams of every line on which the linked person has a conversation."""
        rows = await db.fetch(self._sql["conversations of root"], linked)
        await db.execute(self._sql["link"], root, linked)
        drafts: list[Draft] = []
        for row in rows:
            of_root = self._ids.person_stream(row["line"], root)
            await db.execute(self._sql["make conversations"], [of_root], [row["line"]], [root], [None])
            pair = [of_root, row["conversation_id"]]
            drafts += [_linked(stream, pair, row["line"], fact.recorded_at) for stream in pair]
        await append_together(db, self._schema, drafts)

    async def _keys(
        self, db: Connection, facts: Iterable[Fact], owners: Mapping[UUID, UUID]
    ) -> dict[tuple[UUID, int], SubjectKey]:
        expiries = {
            (owners[fact.key], month_of(fact.recorded_at)): fact.recorded_at + ITEM_KEPT
            if isinstance(fact.subject, Item)
            else None
            for fact in facts
        }
        keys = {}
        for row in await db.fetch(self._sql["keys"], *_columns(expiries)) if expiries else []:
            whose = row["person_id"], row["month"]
            secret = self._masters.unwrap(
                Wrapped(row["wrapped"], row["master_id"]), bound_to(self._log_id, *whose)
            )
            keys[whose] = SubjectKey(row["person_id"], AESGCM(secret))
        new = {whose: new_key() for whose in expiries if whose not in keys}
        if new:
            wrapped = [
                self._masters.wrap(secret, bound_to(self._log_id, *whose)) for whose, secret in new.items()
            ]
            await db.execute(
                self._sql["make keys"],
                *_columns(new),
                [one.data for one in wrapped],
                [one.master_id for one in wrapped],
                [expiries[whose] for whose in new],
            )
        return keys | {whose: SubjectKey(whose[0], AESGCM(secret)) for whose, secret in new.items()}

    async def _conversations(
        self, db: Connection, facts: Iterable[Fact], owners: Mapping[UUID, UUID]
    ) -> set[UUID]:
        rows = {}
        streams = set()
        for fact in facts:
            stream = self._subjects.stream(fact, owners[fact.key])
            streams.add(stream)
            if whose := self._subjects.conversation(fact, owners[fact.key]):
                rows[stream] = (stream, fact.line, *whose)
        if rows:
            await db.execute(self._sql["make conversations"], *map(list, zip(*rows.values(), strict=True)))
        return streams


class _Meeting:
    """The people of some facts, as they become known one after the other."""

    def __init__(self, subjects: Subjects, holders: dict[UUID, Holder], *, newest: int) -> None:
        self._subjects = subjects
        self._holders = holders
        self._newest = newest
        self._met: dict[UUID, UUID] = {}
        self._linked_to: dict[UUID, UUID] = {}
        self.people: list[tuple[Holder, str]] = []
        """Made, with their kinds."""
        self.claims: dict[UUID, tuple[str, UUID]] = {}
        """Kind and person by alias."""
        self.links: list[tuple[Fact, UUID, UUID]] = []
        """Root and linked person, and the fact that says so."""
        self.moved = False
        """An alias went from one person to another."""

    @property
    def holders(self) -> dict[UUID, UUID]:
        """Root person by alias."""
        return {alias: holder.person_id for alias, holder in self._holders.items()}

    def owner(self, fact: Fact) -> UUID:
        """The root of whom a fact met, whoever holds its aliases by now."""
        person = self._met[fact.key]
        while person in self._linked_to:
            person = self._linked_to[person]
        return person

    def meet(self, fact: Fact) -> None:
        subject = self._subjects.as_person(fact)
        ids = {alias: self._subjects.alias_id(fact, alias) for alias in subject.aliases}
        known = {alias: self._holders[key] for alias, key in ids.items() if key in self._holders}
        found = people.resolve(subject, known)
        root = found.root or self._make(self._subjects.kind(fact))
        for alias in found.claims:
            self.moved |= ids[alias] in self._holders
            self._claim(ids[alias], alias, root)
        for linked in found.linked:
            self.links.append((fact, root.person_id, linked.person_id))
            self._linked_to[linked.person_id] = root.person_id
            self._replace(linked, root)
        self._met[fact.key] = root.person_id
        if any(alias.kind is AliasKind.BSUID for alias in subject.aliases) or any(
            linked.has_bsuid for linked in found.linked
        ):
            self._replace(root, replace(root, has_bsuid=True))

    def _make(self, kind: str) -> Holder:
        self._newest += 1
        made = Holder(uuid4(), self._newest, has_bsuid=False)
        self.people.append((made, kind))
        return made

    def _claim(self, key: UUID, alias: Alias, owner: Holder) -> None:
        self._holders[key] = owner
        self.claims[key] = (alias.kind, owner.person_id)

    def _replace(self, old: Holder, new: Holder) -> None:
        for key, holder in self._holders.items():
            if holder.person_id == old.person_id:
                self._holders[key] = new


def _columns(pairs: Iterable[tuple[UUID, int]]) -> tuple[list[UUID], list[int]]:
    whose = list(pairs)
    return [person_id for person_id, _ in whose], [month for _, month in whose]


def _linked(stream: UUID, pair: Sequence[UUID], line: str, at: datetime) -> Draft:
    key = uuid4()
    event = make(
        IdentityLinked, stream, recorded_at=at, line=line, key=key, conversations=[str(one) for one in pair]
    )
    return Draft(stream, *encode(event), key, randbits(63))
