"""How the directory names the subjects of facts: keyed ids of aliases, streams and conversations."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, assert_never
from uuid import UUID

from domain import people
from domain.facts import Account, Alias, AliasKind, Fact, Group, Item, Line, Person
from domain.ids import Ids

REMEMBERED: Final = 50_000
"""Keyed ids kept in memory."""


class Subjects:
    """Everything here follows from a fact and the log's pepper alone."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        # The same people come again and again, and a keyed id costs some microseconds.
        self._keyed = lru_cache(REMEMBERED)(ids.key)
        self._person_stream = lru_cache(REMEMBERED)(ids.person_stream)
        self._of_person = lru_cache(REMEMBERED)(self._alias_ids)

    def kind(self, fact: Fact) -> str:
        """person, group, line, account or item."""
        return type(fact.subject).__name__.lower()

    def as_person(self, fact: Fact) -> Person:
        """The subject with its aliases in canonical form; what is no person has one alias of its own."""
        match fact.subject:
            case Person(aliases=aliases, evidence=evidence):
                return Person(_canonical(aliases), evidence)
            case Group(group_id=group_id):
                return Person((Alias(AliasKind.OTHER, f"{fact.line}/{group_id}"),))
            case Line():
                return Person((Alias(AliasKind.OTHER, fact.line or ""),))
            case Account(account=account):
                return Person((Alias(AliasKind.OTHER, account),))
            case Item():
                return Person((Alias(AliasKind.OTHER, str(fact.key)),))
            case _:
                assert_never(fact.subject)

    def aliases(self, fact: Fact) -> tuple[UUID, ...]:
        """Under which keyed ids the directory finds the subject."""
        if isinstance(fact.subject, Person):
            return self._of_person(fact.subject.aliases)
        return tuple(self.alias_id(fact, alias) for alias in self.as_person(fact).aliases)

    def _alias_ids(self, aliases: tuple[Alias, ...]) -> tuple[UUID, ...]:
        return tuple(self._alias_id("person", alias) for alias in _canonical(aliases))

    def alias_id(self, fact: Fact, alias: Alias) -> UUID:
        """The keyed id of a subject's canonical alias."""
        return self._alias_id(self.kind(fact), alias)

    def _alias_id(self, kind: str, alias: Alias) -> UUID:
        return self._keyed("alias", kind if alias.kind is AliasKind.OTHER else alias.kind, alias.value)

    def of_contact(self, alias: Alias) -> UUID:
        """The keyed id of a person's alias, in whichever form it is written."""
        known = people.canonical(alias)
        return self._ids.key("alias", known.kind, known.value)

    def stream(self, fact: Fact, owner: UUID) -> UUID:
        """The stream a fact goes to, `owner` being the root person of its subject."""
        if fact.line and fact.group_id:
            return self._ids.group_stream(fact.line, self._ids.group(fact.line, fact.group_id))
        if fact.line and isinstance(fact.subject, Person):
            return self._person_stream(fact.line, owner)
        if fact.line:
            return self._ids.line_stream(fact.line)
        account = fact.subject.account if isinstance(fact.subject, Account | Item) else ""
        return self._ids.account_stream(account)

    def conversation(self, fact: Fact, owner: UUID) -> tuple[UUID | None, UUID | None] | None:
        """Person and group of the conversation a fact belongs to; None when it belongs to none."""
        if fact.line and fact.group_id:
            return None, self._ids.group(fact.line, fact.group_id)
        if fact.line and isinstance(fact.subject, Person):
            return owner, None
        return None


def _canonical(aliases: tuple[Alias, ...]) -> tuple[Alias, ...]:
    return tuple(dict.fromkeys(map(people.canonical, aliases)))
