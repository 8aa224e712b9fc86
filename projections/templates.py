"""What is true of each message template now, as far as WhatsApp's webhooks told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.events import Recorded, TemplateChanged
from projections.rows import Connection, Row, Table, fields_of, from_record
from projections.sql import load


class Status(NamedTuple):
    """The newest by time wins; at one time the larger key."""

    at: int
    key: str
    status: str
    reason: str | None
    """Of this status: an approved template keeps no old rejection."""


class Word(NamedTuple):
    """A category or quality; the newest by time wins, at one time the larger key."""

    at: int
    key: str
    word: str


@dataclass(frozen=True, slots=True)
class TemplateRow(Row):
    """A template in one language."""

    account: str
    name: str
    language: str
    status: Status | None = field(default=None, metadata=fields_of(Status, Status._fields))
    category: Word | None = field(default=None, metadata=fields_of(Word, Word._fields))
    quality: Word | None = field(default=None, metadata=fields_of(Word, Word._fields))


class TemplatesProjection:
    """The table `templates_v1`, read as `templates`."""

    name = "templates_v1"

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "templates.sql", schema)
        self._table = Table(TemplateRow, self._sql, "template")

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the table and its view where they are missing."""
        return load("projections", "templates.sql", schema)["ddl"]

    async def read(self, db: Connection) -> list[TemplateRow]:
        """Every template that WhatsApp's webhooks told of."""
        return [from_record(TemplateRow, record) for record in await db.fetch(self._sql["read"])]

    async def category(self, db: Connection, name: str, language: str) -> str | None:
        """WhatsApp's category of a template, in lower case; None where nothing told it."""
        word = await db.fetchval(self._sql["category"], name, language.replace("-", "_"))
        return None if word is None else str(word).lower()

    async def fold(self, db: Connection, page: Sequence[Recorded]) -> None:
        """Merge what the page tells of templates."""
        events = (item.event for item in page)
        await self._table.absorb(db, (_row(event) for event in events if isinstance(event, TemplateChanged)))


def _row(event: TemplateChanged) -> TemplateRow:
    at, key = event.at_used, event.key
    return TemplateRow(
        event.account,
        event.name,
        event.language,
        status=Status(at, key, event.status, event.reason) if event.status else None,
        category=Word(at, key, event.category) if event.category else None,
        quality=Word(at, key, event.quality) if event.quality else None,
    )
