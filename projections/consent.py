"""What every person chose to be sent as a table, and its exact reading at any lag of that table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from uuid import UUID

from domain import consent as consents
from domain.consent import NOTHING_KNOWN, Choice, Consent
from domain.events import Event, Recorded
from projections.rows import LARGEST, Connection, Row, Table, from_record, grouped
from projections.sql import load
from projections.window import CONVERSATION, Decode

_CHOICE = grouped(len(Choice._fields), tuple, Choice)
_STORED = 11
_EVENT = ("notification_id", "stream", "originator_version", "topic", "state")


@dataclass(frozen=True, slots=True)
class ConsentRow(Row):
    """The consent that one stream tells of, folded up to `version`; any event moves that (window.py)."""

    stream: UUID
    version: int = field(metadata=LARGEST)
    marketing: Choice | None = field(default=None, metadata=_CHOICE)
    everything: Choice | None = field(default=None, metadata=_CHOICE)
    limited_at: int | None = field(default=None, metadata=LARGEST)


class ConsentProjection:
    """The table `consent_v1`, a row for each stream; read as the view `consents`."""

    name = "consent_v1"

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "consent.sql", schema)
        self._table = Table(ConsentRow, self._sql, "consent")

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the table and its view where they are missing."""
        return load("projections", "consent.sql", schema)["ddl"]

    async def fold(self, db: Connection, page: Sequence[Recorded]) -> None:
        """Bring the rows of the page's conversations up to it."""
        events = (item.event for item in page)
        await self._table.absorb(db, (_row(event) for event in events if isinstance(event, CONVERSATION)))

    async def read(self, db: Connection, streams: Sequence[UUID], decode: Decode) -> Consent:
        """The consent of one person, given all its streams on all lines; exact at any lag."""
        found: list[Consent] = []
        for record in await db.fetch(self._sql["read"], streams):
            if record["version"] is not None:
                row = from_record(ConsentRow, tuple(record)[:_STORED])
                found.append(Consent(row.marketing, row.everything, row.limited_at))
            if record["notification_id"] is not None:
                item = decode(*(record[name] for name in _EVENT))
                if isinstance(item, Recorded):
                    found.append(consents.fold(NOTHING_KNOWN, item.event))
        return reduce(consents.merge, found, NOTHING_KNOWN)


def _row(event: Event) -> ConsentRow:
    told = consents.fold(NOTHING_KNOWN, event)
    return ConsentRow(
        event.originator_id, event.originator_version, told.marketing, told.everything, told.limited_at
    )
