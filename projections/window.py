"""What the policy sees of every conversation: its window, and what its person chose to be sent.

A table, and its exact reading at any lag of that table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from uuid import UUID

import asyncpg

from domain import consent as consents
from domain import window as windows
from domain.consent import NOTHING_KNOWN, Choice, Consent
from domain.events import (
    AccountNoticeReceived,
    CallReceived,
    ConsentChanged,
    Event,
    IdentityLinked,
    MessageReceived,
    Recorded,
    SendAccepted,
    SendDispatched,
    SendFailed,
    SendRefused,
    SendRequested,
    SendSettled,
    SendUnknown,
    StatusReceived,
    Undecodable,
    UnrecognisedReceived,
)
from domain.values import value
from domain.window import EMPTY, Window
from projections.rows import (
    LARGEST,
    SMALLEST,
    Connection,
    Folding,
    Row,
    Table,
    fields_of,
    from_record,
    grouped,
    merge,
)
from projections.sql import load

Decode = Callable[[int, UUID, int, str, bytes], Recorded | Undecodable]
"""From position, stream, version, topic and state."""

CONVERSATION = (
    MessageReceived,
    StatusReceived,
    CallReceived,
    SendRequested,
    SendRefused,
    SendDispatched,
    SendAccepted,
    SendFailed,
    SendUnknown,
    SendSettled,
    IdentityLinked,
    ConsentChanged,
    AccountNoticeReceived,
    UnrecognisedReceived,
)
"""What the stream of a conversation holds. Each of them moves the row's version, or the tail would grow."""

_WINDOW = tuple(f.name for f in fields(Window))
_CHOICE = grouped(len(Choice._fields), tuple, Choice)
_STORED = 5 + len(_WINDOW) + 2 * len(Choice._fields) + 1
_EVENT = ("notification_id", "stream", "originator_version", "topic", "state")


@value
class WindowRow(Row):
    """The window and the consent of one stream, folded up to `version`."""

    stream: UUID
    version: int = field(metadata=LARGEST)
    position: int = field(metadata=LARGEST)
    line: str | None = field(metadata=LARGEST)
    known_since: int = field(metadata=SMALLEST)
    """Time of the oldest event known, in Unix seconds."""
    window: Window | None = field(default=None, metadata=fields_of(Window, _WINDOW, windows.merge))
    marketing: Choice | None = field(default=None, metadata=_CHOICE)
    everything: Choice | None = field(default=None, metadata=_CHOICE)
    limited_at: int | None = field(default=None, metadata=LARGEST)

    @property
    def consent(self) -> Consent:
        """What the stream tells of its person's choices."""
        return Consent(self.marketing, self.everything, self.limited_at)


@dataclass(frozen=True, slots=True)
class Read:
    """The window of one conversation over all its linked streams, and its person's consent."""

    window: Window
    as_of: int
    """Position of its newest event: nothing of the conversation lay behind it. 0: never seen."""
    known_since: int | None
    line: str | None
    consent: Consent = NOTHING_KNOWN


NEVER_SEEN = Read(EMPTY, 0, None, None)


class WindowProjection(Folding):
    """The table `window_v2`, a row for each stream; read as the view `windows`."""

    name = "window_v2"
    folds = CONVERSATION

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "window.sql", schema)
        self.tables = (Table("window_v2", WindowRow, _rows, self._sql, "window"),)

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the table and its view where they are missing."""
        return load("projections", "window.sql", schema)["ddl"]

    async def read(
        self, db: Connection, streams: Sequence[UUID], decode: Decode, *, elsewhere: Sequence[UUID] = ()
    ) -> Read:
        """One conversation, given all its linked streams; exact at any lag.

        `elsewhere`: its person's streams on other lines, whose consents bind here too.
        """
        rows = await self._rows(db, [*streams, *elsewhere], decode)
        read = _one(rows[stream] for stream in streams if stream in rows)
        told = (rows[stream].consent for stream in elsewhere if stream in rows)
        return replace(read, consent=reduce(consents.merge, told, read.consent))

    async def read_many(
        self, db: Connection, conversations: Sequence[Sequence[UUID]], decode: Decode
    ) -> list[Read]:
        """Many conversations, in their order, as of one moment."""
        rows = await self._rows(db, list({stream for streams in conversations for stream in streams}), decode)
        return [_one(rows[stream] for stream in streams if stream in rows) for streams in conversations]

    async def _rows(self, db: Connection, streams: Sequence[UUID], decode: Decode) -> dict[UUID, WindowRow]:
        rows: dict[UUID, WindowRow] = {}
        for record in await db.fetch(self._sql["read"], streams):
            stream = record["stream"]
            if record["version"] is not None and stream not in rows:
                rows[stream] = from_record(WindowRow, tuple(record)[:_STORED])
            row = _behind(record, decode)
            if row is not None:
                rows[stream] = merge(rows[stream], row) if stream in rows else row
        return rows


def _rows(page: Iterable[Recorded]) -> Iterator[WindowRow]:
    return (_row(item) for item in page if isinstance(item.event, CONVERSATION))


def _row(item: Recorded) -> WindowRow:
    event = item.event
    window = windows.fold(EMPTY, event)
    consent = consents.fold(NOTHING_KNOWN, event)
    return WindowRow(
        stream=event.originator_id,
        version=event.originator_version,
        position=item.position,
        line=event.line,
        known_since=_time(event),
        window=None if window == EMPTY else window,
        marketing=consent.marketing,
        everything=consent.everything,
        limited_at=consent.limited_at,
    )


def _time(event: Event) -> int:
    at = getattr(event, "at_used", None)
    return int(event.timestamp.timestamp()) if at is None else int(at)


def _behind(record: asyncpg.Record, decode: Decode) -> WindowRow | None:
    """What an event makes that the stored row does not hold yet; None where there is none."""
    if record["notification_id"] is None:
        return None
    item = decode(*(record[name] for name in _EVENT))
    if isinstance(item, Recorded) and isinstance(item.event, CONVERSATION):
        return _row(item)
    return None


def _one(rows: Iterable[WindowRow]) -> Read:
    read = NEVER_SEEN
    for row in rows:
        read = Read(
            window=windows.merge(read.window, row.window or EMPTY),
            as_of=max(read.as_of, row.position),
            known_since=row.known_since
            if read.known_since is None
            else min(read.known_since, row.known_since),
            line=row.line,
            consent=consents.merge(read.consent, row.consent),
        )
    return read
