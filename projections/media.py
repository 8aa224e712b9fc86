"""Files that people sent: which are still to be kept, and where those are told of that are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from domain.events import MediaKept, MediaLost, MessageReceived, Recorded
from domain.media import brings_media
from domain.values import value
from projections.rows import LARGEST, SMALLEST, Connection, Folding, Row, Table, fields_of, to_uuid
from projections.sql import load


class Ending(NamedTuple):
    """What became of a file; the first counts, and there is one by its event's key."""

    outcome_position: int
    kept: bool
    media_key: UUID | None


@value
class MediaRow(Row):
    """The file of a message, by the key of its MessageReceived."""

    message: UUID
    line: str | None = field(default=None, metadata=LARGEST)
    position: int | None = field(default=None, metadata=SMALLEST)
    at_used: int | None = field(default=None, metadata=SMALLEST)
    ending: Ending | None = field(default=None, metadata=fields_of(Ending, Ending._fields, rule=min))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that was neither kept nor given up."""

    message: UUID
    line: str
    position: int
    at_used: int


@dataclass(frozen=True, slots=True)
class KeptAt:
    """Positions of a message and of the event that says where its file is."""

    line: str
    message: int
    kept: int


class MediaProjection(Folding):
    """The table `media_v1`, read as `media`."""

    name = "media_v1"
    folds = (MessageReceived, MediaKept, MediaLost)

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "media.sql", schema)
        self.tables = (Table("media_v1", MediaRow, _rows, self._sql, "media"),)

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the table and its view where they are missing."""
        return load("projections", "media.sql", schema)["ddl"]

    async def wanted(
        self, db: Connection, lines: Collection[str], *, since: int, without: Collection[UUID], limit: int
    ) -> list[Wanted]:
        """The oldest files of `lines` that came `since` (Unix seconds) and have no outcome yet."""
        found = await db.fetch(self._sql["wanted"], list(lines), since, list(without), limit)
        return [Wanted(*record) for record in found]

    async def kept(self, db: Connection, media_key: UUID) -> list[KeptAt]:
        """Where a file is told of, by the keyed id of WhatsApp's media id."""
        return [KeptAt(*record) for record in await db.fetch(self._sql["kept"], media_key)]


def _rows(page: Iterable[Recorded]) -> Iterator[MediaRow]:
    for item in page:
        match item.event:
            case MessageReceived() as event if brings_media(event):
                yield MediaRow(to_uuid(event.key), event.line, item.position, event.at_used)
            case MediaKept() as event:
                ending = Ending(item.position, kept=True, media_key=to_uuid(event.media_key))
                yield MediaRow(to_uuid(event.message_event), ending=ending)
            case MediaLost() as event:
                ending = Ending(item.position, kept=False, media_key=None)
                yield MediaRow(to_uuid(event.message_event), ending=ending)
            case _:
                pass
