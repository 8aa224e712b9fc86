"""What was sent and delivered, counted by day of the account's zone and by WhatsApp's billing terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID

from domain import status
from domain.events import (
    MessageReceived,
    Recorded,
    SendAccepted,
    SendRequested,
    SendSettled,
    SendUnknown,
    StatusReceived,
)
from domain.status import MessageState
from domain.values import value
from projections.messages import NOBODY, known_as
from projections.rows import LARGEST, SMALLEST, Connection, Folding, Row, Table, to_uuid
from projections.sql import load

GROUPS: Final = (
    "day",
    "month",
    "line",
    "market",
    "category",
    "type",
    "template",
    "caller",
    "pricing_model",
    "pricing_type",
    "pricing_category",
)
"""What a report may be grouped by."""

COUNTS: Final = ("accrued", "delivered", "free", "billable_whatsapp")
"""accrued: sends of ours that WhatsApp took, at their dispatch.
delivered: messages, in groups each participant's, once, at the oldest of delivered, read and played.
billable_whatsapp, free: the delivered ones by WhatsApp's own pricing; without any they are neither."""


@value
class CountedSend(Row):
    """The billing terms of a send."""

    send_id: UUID
    line: str | None = field(default=None, metadata=LARGEST)
    caller: str | None = field(default=None, metadata=LARGEST)
    kind: str | None = field(default=None, metadata=LARGEST)
    type: str | None = field(default=None, metadata=LARGEST)
    template: str | None = field(default=None, metadata=LARGEST)
    category: str | None = field(default=None, metadata=LARGEST)
    market: str | None = field(default=None, metadata=LARGEST)
    accepted: bool | None = field(default=None, metadata=LARGEST)
    accepted_at: int | None = field(default=None, metadata=SMALLEST)
    """Dispatch of the oldest attempt that WhatsApp itself says it took."""
    unknown_at: int | None = field(default=None, metadata=LARGEST)
    """Dispatch of the newest attempt in doubt: the one that a settlement is about."""
    window_until: int | None = field(default=None, metadata=LARGEST)
    """End of the window as the decision saw it; 0: closed or never open."""

    @property
    def dispatched_at(self) -> int | None:
        """When it left, as far as known."""
        return self.unknown_at if self.accepted_at is None else self.accepted_at


@value
class CountedDelivery(Row):
    """A message to one person, its delivery and WhatsApp's pricing of it."""

    message_key: UUID
    participant: UUID
    send_id: UUID | None = field(default=None, metadata=LARGEST)
    line: str | None = field(default=None, metadata=LARGEST)
    market: str | None = field(default=None, metadata=SMALLEST)
    """A number's prefix is smaller than a user id's country."""
    type: str | None = field(default=None, metadata=LARGEST)
    known: MessageState = field(default=status.EMPTY, metadata=known_as(("delivered_at",)))
    in_free_entry: bool | None = field(default=None, metadata=LARGEST)
    """WhatsApp names a free entry point as what holds it."""
    position: int = field(default=0, metadata=SMALLEST)
    """Of its first event."""


@dataclass(frozen=True, slots=True)
class Report:
    """Counts by what was asked for, and their sums."""

    rows: list[dict[str, Any]]
    """The groups asked for (day and month as dates; None where not known), then COUNTS."""
    totals: dict[str, int]
    as_of: int
    """Position of the log up to which everything is counted."""


class CountsProjection(Folding):
    """The tables `counts_sends_v2` and `counts_deliveries_v2`, read as views of the same names without v2."""

    name = "counts_v2"
    folds = (MessageReceived, StatusReceived, SendRequested, SendAccepted, SendUnknown, SendSettled)

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "counts.sql", schema)
        self.tables = (
            Table("counts_sends_v2", CountedSend, counted_sends, self._sql, "send"),
            Table("counts_deliveries_v2", CountedDelivery, counted_deliveries, self._sql, "delivery"),
        )

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the tables and their views where they are missing."""
        return load("projections", "counts.sql", schema)["ddl"]

    async def report(
        self,
        db: Connection,
        *,
        from_day: date,
        to_day: date,
        time_zone: str,
        line: str | None = None,
        group_by: Sequence[str] = ("day",),
    ) -> Report:
        """Count the days from `from_day` to before `to_day` of an IANA zone; `group_by` out of GROUPS.

        Raises asyncpg.InvalidParameterValueError for a zone that the database does not know.
        """
        groups = [name for name in GROUPS if name in group_by]
        async with db.transaction(isolation="repeatable_read", readonly=True):
            await db.execute(self._sql["hold"])
            as_of = await db.fetchval(self._sql["as of"], self.name)
            records = await db.fetch(self._sql["report"], from_day, to_day, time_zone, line, groups)
        rows = [{name: record[name] for name in (*groups, *COUNTS)} for record in records]
        return Report(rows, {name: sum(row[name] for row in rows) for name in COUNTS}, as_of or 0)


def counted_sends(items: Iterable[Recorded]) -> Iterator[CountedSend]:
    """The row that each event of a send makes."""
    for item in items:
        match item.event:
            case SendRequested() as event:
                yield CountedSend(
                    to_uuid(event.send_id),
                    line=event.line,
                    caller=event.caller,
                    kind=event.kind,
                    type=event.type,
                    template=event.template,
                    category=event.category,
                    market=event.market,
                    window_until=_window_until(event),
                )
            case SendAccepted(send_id=send_id, dispatched_at=at):
                yield CountedSend(to_uuid(send_id), accepted=True, accepted_at=at)
            case StatusReceived(send_id=str(send_id), dispatched_at=dispatched_at) as event if _counts(event):
                yield CountedSend(to_uuid(send_id), accepted=True, accepted_at=dispatched_at)
            case SendSettled(settled_as="accepted", send_id=send_id):
                yield CountedSend(to_uuid(send_id), accepted=True)
            case SendUnknown(send_id=send_id, dispatched_at=at):
                yield CountedSend(to_uuid(send_id), unknown_at=at)
            case _:
                pass


def counted_deliveries(items: Iterable[Recorded]) -> Iterator[CountedDelivery]:
    """The row that each event of an outbound message makes."""
    for item in items:
        match item.event:
            case StatusReceived() as event if _counts(event):
                yield CountedDelivery(
                    to_uuid(event.message_key),
                    to_uuid(event.participant_key) if event.participant_key else NOBODY,
                    send_id=to_uuid(event.send_id) if event.send_id else None,
                    line=event.line,
                    market=event.market,
                    known=_charged(event),
                    in_free_entry=_names_free_entry(event) or None,
                    position=item.position,
                )
            case MessageReceived(source="echo") as echo:
                yield CountedDelivery(
                    to_uuid(echo.message_key),
                    NOBODY,
                    line=echo.line,
                    type=echo.type,
                    position=item.position,
                )
            case SendAccepted() | SendSettled() as outcome if outcome.message_key:
                yield CountedDelivery(
                    to_uuid(outcome.message_key),
                    NOBODY,
                    send_id=to_uuid(outcome.send_id),
                    position=item.position,
                )
            case _:
                pass


def _counts(event: StatusReceived) -> bool:
    """Whether it tells of the line's own messages: told live, or asked for later."""
    return event.source in ("live", "history")


def _window_until(event: SendRequested) -> int | None:
    window = event.decision.get("window")
    return None if window is None else int(window.get("open_until") or 0)


def _names_free_entry(event: StatusReceived) -> bool:
    origin = (event.conversation or {}).get("origin")
    return isinstance(origin, str) and origin.replace("-", "_") == "referral_conversion"


def _charged(event: StatusReceived) -> MessageState:
    known = status.fold(status.EMPTY, event)
    return MessageState(
        delivered_at=known.delivered_at,
        pricing=known.pricing,
        pricing_status=known.pricing_status,
        pricing_at=known.pricing_at,
    )
