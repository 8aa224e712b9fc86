"""Whose each fact is, as the gateway's directory would find it: the same rules, kept in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain import people
from domain.events import IdentityLinked, make
from domain.facts import AliasKind, Fact, Item
from domain.ids import Ids
from domain.people import Holder
from gateway.store.codec import encode
from gateway.store.directory import Place
from gateway.store.keyring import Masters, SubjectKey, bound_to, month_of, new_key
from gateway.store.learning import ITEM_KEPT
from gateway.store.outcomes import Draft
from gateway.store.subjects import Subjects

PEOPLE: Final = ["person_id", "root_id", "kind", "made"]
ALIASES: Final = ["alias", "kind", "person_id"]
KEYS: Final = ["person_id", "month", "wrapped", "master_id", "expires_at"]
CONVERSATIONS: Final = ["conversation_id", "line", "person_id", "group_key"]


class Places:
    """The directory of a shard. Its rows are for the tables of that name."""

    def __init__(self, ids: Ids, log_id: UUID, masters: Masters, *, shard: int) -> None:
        self._ids = ids
        self._log_id = log_id
        self._masters = masters
        self._shard = shard
        self._subjects = Subjects(ids)
        self._holders: dict[UUID, Holder] = {}
        self._secrets: dict[tuple[UUID, int], SubjectKey] = {}
        self._people: dict[UUID, tuple[str, int]] = {}
        self._roots: dict[UUID, UUID] = {}
        self._aliases: dict[UUID, tuple[str, UUID]] = {}
        self.keys: list[tuple[UUID, int, bytes, str, datetime | None]] = []
        self._conversations: dict[UUID, tuple[str | None, UUID | None, UUID | None]] = {}
        self._streams: dict[UUID, list[UUID]] = defaultdict(list)
        """Conversations by person."""
        self._held: dict[UUID, set[UUID]] = defaultdict(set)
        """Aliases by person."""

    def place(self, fact: Fact) -> tuple[Place, list[Draft]]:
        """The fact's place, and what is recorded before it because it joins two persons."""
        owners = {self._holders.get(alias) for alias in self._subjects.aliases(fact)}
        owner = owners.pop() if len(owners) == 1 else None
        owner, linked = (owner, []) if owner else self._meet(fact)
        stream = self._subjects.stream(fact, owner.person_id)
        if stream not in self._conversations and (
            whose := self._subjects.conversation(fact, owner.person_id)
        ):
            self._converse(stream, fact.line, *whose)
        return Place(stream, self._key(fact, owner.person_id), owner.person_id), linked

    @property
    def people(self) -> list[tuple[UUID, UUID, str, int]]:
        return [(one, self._root(one), kind, made) for one, (kind, made) in self._people.items()]

    @property
    def aliases(self) -> list[tuple[UUID, str, UUID]]:
        return [(alias, kind, owner) for alias, (kind, owner) in self._aliases.items()]

    @property
    def conversations(self) -> list[tuple[UUID, str | None, UUID | None, UUID | None]]:
        return [(stream, *whose) for stream, whose in self._conversations.items()]

    def _meet(self, fact: Fact) -> tuple[Holder, list[Draft]]:
        subject = self._subjects.as_person(fact)
        ids = {alias: self._subjects.alias_id(fact, alias) for alias in subject.aliases}
        known = {alias: self._holders[key] for alias, key in ids.items() if key in self._holders}
        found = people.resolve(subject, known)
        root = found.root or self._made(self._subjects.kind(fact))
        for alias in found.claims:
            self._aliases[ids[alias]] = alias.kind, root.person_id
            if before := self._holders.get(ids[alias]):
                self._held[before.person_id].discard(ids[alias])
            self._holders[ids[alias]] = root
            self._held[root.person_id].add(ids[alias])
        drafts = [draft for linked in found.linked for draft in self._link(fact, linked, root)]
        named = any(alias.kind is AliasKind.BSUID for alias in subject.aliases)
        if (named or any(linked.has_bsuid for linked in found.linked)) and not root.has_bsuid:
            root = self._replace(root, replace(root, has_bsuid=True))
        return root, drafts

    def _made(self, kind: str) -> Holder:
        made = len(self._people) * 1_000 + self._shard
        holder = Holder(self._ids.key("history-person", made), made, has_bsuid=False)
        self._people[holder.person_id] = kind, made
        return holder

    def _link(self, fact: Fact, linked: Holder, root: Holder) -> Iterator[Draft]:
        self._replace(linked, root)
        self._roots[linked.person_id] = root.person_id
        for stream in list(self._streams[linked.person_id]):
            line = self._conversations[stream][0]
            of_root = self._ids.person_stream(line or "", root.person_id)
            if of_root not in self._conversations:
                self._converse(of_root, line, root.person_id, None)
            for one in (of_root, stream):
                yield self._linked(one, [str(of_root), str(stream)], fact, line)

    def _linked(self, stream: UUID, pair: list[str], fact: Fact, line: str | None) -> Draft:
        key = self._ids.key("history-link", stream, fact.key)
        event = make(
            IdentityLinked, stream, recorded_at=fact.recorded_at, line=line, key=key, conversations=pair
        )
        return Draft(stream, *encode(event), key, 0)

    def _replace(self, old: Holder, new: Holder) -> Holder:
        aliases = self._held.pop(old.person_id, set())
        self._held[new.person_id] |= aliases
        self._holders |= dict.fromkeys(aliases, new)
        return new

    def _converse(self, stream: UUID, line: str | None, person: UUID | None, group: UUID | None) -> None:
        self._conversations[stream] = line, person, group
        if person:
            self._streams[person].append(stream)

    def _root(self, person: UUID) -> UUID:
        while person in self._roots:
            person = self._roots[person]
        return person

    def _key(self, fact: Fact, owner: UUID) -> SubjectKey:
        whose = owner, month_of(fact.recorded_at)
        found = self._secrets.get(whose)
        if found is None:
            secret = new_key()
            found = self._secrets[whose] = SubjectKey(owner, AESGCM(secret))
            wrapped = self._masters.wrap(secret, bound_to(self._log_id, *whose))
            ends = fact.recorded_at + ITEM_KEPT if isinstance(fact.subject, Item) else None
            self.keys.append((*whose, wrapped.data, wrapped.master_id, ends))
        return found
