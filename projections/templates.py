"""What is true of each message template now, as far as WhatsApp told: by webhook, or when it was asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import NamedTuple

from domain.events import Recorded, TemplateChanged
from domain.templates import SYNCED
from domain.values import value
from projections.rows import Connection, Folding, Row, Table, fields_of, from_record
from projections.sql import load


class Status(NamedTuple):
    """The newest by time wins; at one time the larger key."""

    at: int
    key: str
    """Empty for what a list said."""
    status: str
    reason: str | None
    """Of this status: an approved template keeps no old rejection."""


class Word(NamedTuple):
    """A category or quality; the newest by time wins, at one time the larger key."""

    at: int
    key: str
    word: str


class Definition(NamedTuple):
    """Where the newest components are; the newest by time wins, at one time the larger key."""

    at: int
    key: str
    digest: str
    """Their keyed id; empty since a webhook told that they are others now."""
    position: int
    """Of the event that holds them, sealed."""


@value
class TemplateRow(Row):
    """A template in one language."""

    account: str
    name: str
    language: str
    status: Status | None = field(default=None, metadata=fields_of(Status, Status._fields))
    category: Word | None = field(default=None, metadata=fields_of(Word, Word._fields))
    quality: Word | None = field(default=None, metadata=fields_of(Word, Word._fields))
    first_category: Word | None = field(default=None, metadata=fields_of(Word, Word._fields, rule=min))
    """The oldest by time."""
    definition: Definition | None = field(default=None, metadata=fields_of(Definition, Definition._fields))

    @property
    def newest(self) -> int:
        """The newest time of anything said of it."""
        said = (self.status, self.category, self.quality, self.definition)
        return max((one.at for one in said if one is not None), default=0)


class TemplatesProjection(Folding):
    """The table `templates_v2`, read as `templates`."""

    name = "templates_v2"
    folds = (TemplateChanged,)

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "templates.sql", schema)
        self.tables = (Table("templates_v2", TemplateRow, _rows, self._sql, "template"),)

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the table and its view where they are missing."""
        return load("projections", "templates.sql", schema)["ddl"]

    async def read(self, db: Connection) -> list[TemplateRow]:
        """Every template that WhatsApp told of."""
        return [from_record(TemplateRow, record) for record in await db.fetch(self._sql["read"])]

    async def named(self, db: Connection, name: str, language: str) -> list[TemplateRow]:
        """The template of this name and language, of each account that has one."""
        found = await db.fetch(self._sql["read named"], name, language)
        return [from_record(TemplateRow, record) for record in found]


def _rows(page: Iterable[Recorded]) -> Iterator[TemplateRow]:
    return (_row(item.event, item.position) for item in page if isinstance(item.event, TemplateChanged))


def _row(event: TemplateChanged, position: int) -> TemplateRow:
    at, key = event.at_used, _key(event)
    return TemplateRow(
        event.account,
        event.name,
        event.language,
        status=Status(at, key, event.status, event.reason) if event.status else None,
        category=Word(at, key, event.category) if event.category else None,
        quality=Word(at, key, event.quality) if event.quality else None,
        first_category=_first_category(event),
        definition=_definition(event, position),
    )


def _key(event: TemplateChanged) -> str:
    """Of one second a callback knows more than a list, which may have been made before."""
    return "" if event.event == SYNCED else event.key


def _first_category(event: TemplateChanged) -> Word | None:
    if event.previous_category:
        return Word(event.at_used - 1, _key(event), event.previous_category)
    return Word(event.at_used, _key(event), event.category) if event.category else None


def _definition(event: TemplateChanged, position: int) -> Definition | None:
    changed = event.event == "message_template_components_update"
    digest = "" if changed else event.definition
    return None if digest is None else Definition(event.at_used, _key(event), digest, position)
