"""When each line was last heard of, and last sent, and since when a send of it waits for a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from domain.events import (
    AccountNoticeReceived,
    CallReceived,
    ConsentChanged,
    Event,
    MessageReceived,
    Recorded,
    SendDispatched,
    StatusReceived,
)
from domain.values import value
from projections.rows import LARGEST, Connection, Folding, Row, Table
from projections.sql import load

WEBHOOK = (MessageReceived, StatusReceived, CallReceived, ConsentChanged, AccountNoticeReceived)
"""What callbacks bring."""

MAX_LAG: Final = 10_000
"""Events the tables may be behind before they no longer tell who is silent: the answer may be among them."""


@value
class LineRow(Row):
    """One line; times are the gateway's."""

    line: str
    last_webhook_at: datetime | None = field(default=None, metadata=LARGEST)
    last_send_at: datetime | None = field(default=None, metadata=LARGEST)
    last_webhook: int | None = field(default=None, metadata=LARGEST)
    """Position of the newest event that a callback brought."""


@dataclass(frozen=True, slots=True)
class LineState:
    """What the log knows of a line."""

    last_webhook_at: datetime | None = None
    last_send_at: datetime | None = None
    unknown: int = 0
    """Sends that may or may not have reached WhatsApp."""
    unanswered_since: datetime | None = None
    """When the oldest send was asked for that WhatsApp took and after which no callback came."""


class Lines(Folding):
    """The table `lines_v2`, read as `lines`."""

    name = "lines_v2"
    folds = (*WEBHOOK, SendDispatched)

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "lines.sql", schema)
        self.tables = (Table("lines_v2", LineRow, _rows, self._sql, "line"),)

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the table and its view where they are missing."""
        return load("projections", "lines.sql", schema)["ddl"]

    async def read(self, db: Connection) -> dict[str, LineState]:
        """Every line that the log has seen."""
        rows = await db.fetch(self._sql["read"], self.name, MAX_LAG)
        return {
            row["line"]: LineState(
                row["last_webhook_at"], row["last_send_at"], row["unknown"], row["unanswered_since"]
            )
            for row in rows
        }


def _rows(page: Iterable[Recorded]) -> Iterator[LineRow]:
    for item in page:
        event = item.event
        if event.line is None:
            continue
        if isinstance(event, WEBHOOK) and not _is_told_by_us(event):
            yield LineRow(event.line, last_webhook_at=event.timestamp, last_webhook=item.position)
        elif isinstance(event, SendDispatched):
            yield LineRow(event.line, last_send_at=event.timestamp)


def _is_told_by_us(event: Event) -> bool:
    """Whether an item or a change came from our own side: no sign that WhatsApp still calls back."""
    match event:
        case MessageReceived(source=source) | ConsentChanged(source=source):
            return source in ("api", "import")
        case AccountNoticeReceived(caller=caller):
            return caller is not None
        case _:
            return False
