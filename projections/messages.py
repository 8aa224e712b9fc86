"""Messages and sends as tables: what a caller asked for, what it became, and what else passed a line.

Two kinds of rows, since a send may fail before it is a message, or become several, and since a message need
not be a send of ours: inbound ones, echoes, and whatever other systems send over the line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain import status
from domain.events import (
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
)
from domain.status import MessageState
from domain.values import value
from projections.rows import LARGEST, SMALLEST, Folding, Row, Table, fields_of, grouped, to_uuid
from projections.sql import load

NOBODY: Final = UUID(int=0)
"""The participant of a message that is not in a group, or of which the participant is not named."""

INBOUND: Final = "inbound"
OUTBOUND: Final = "outbound"

_PRICING = ("model", "type", "category", "subtype", "billable")
_OF_SEND = ("requested", "refused", "accepted", "attempt", "outcome", "outcome_at", "outcome_code")
_OF_MESSAGE = ("accepted", "reached", "sent_at", "delivered_at", "read_at", "failed_at", "failed_code")


class Request(NamedTuple):
    """Where and when a send was asked for."""

    position: int
    """Of the event that holds the decision."""
    stream: UUID
    requested_at: datetime


class Origin(NamedTuple):
    """The first event of a message."""

    position: int
    stream: UUID


def known_as(names: Sequence[str]) -> dict[str, Any]:
    """Metadata of a MessageState field: a column for each of `names`, and seven for WhatsApp's pricing."""

    def pack(state: MessageState) -> Iterator[Any]:
        yield from (getattr(state, name) for name in names)
        yield from ((state.pricing or {}).get(name) for name in _PRICING)
        yield from (state.pricing_status, state.pricing_at)

    def unpack(*values: Any) -> MessageState:
        known = dict(zip((*names, *_PRICING, "pricing_status", "pricing_at"), values, strict=True))
        pricing = {name: value for name in _PRICING if (value := known.pop(name)) is not None}
        return MessageState(**known, pricing=pricing if known["pricing_status"] else None)

    return grouped(len(names) + len(_PRICING) + 2, pack, unpack, status.merge)


@value
class SendRow(Row):
    """A send of ours, as far as its own events tell."""

    send_id: UUID
    request: Request | None = field(default=None, metadata=fields_of(Request, Request._fields, min))
    line: str | None = field(default=None, metadata=LARGEST)
    group_key: UUID | None = field(default=None, metadata=LARGEST)
    caller: str | None = field(default=None, metadata=LARGEST)
    face: str | None = field(default=None, metadata=LARGEST)
    kind: str | None = field(default=None, metadata=LARGEST)
    type: str | None = field(default=None, metadata=LARGEST)
    category: str | None = field(default=None, metadata=LARGEST)
    template: str | None = field(default=None, metadata=LARGEST)
    language: str | None = field(default=None, metadata=LARGEST)
    market: str | None = field(default=None, metadata=LARGEST)
    dispatched: int | None = field(default=None, metadata=LARGEST)
    """The newest attempt that was to leave; its outcome is still open while `known.attempt` is smaller."""
    known: MessageState = field(
        default=status.EMPTY, metadata=fields_of(MessageState, _OF_SEND, status.merge)
    )

    @property
    def derived(self) -> tuple[Any, ...]:
        """`state`."""
        return (self.known.state,)


@value
class ReferenceRow(Row):
    """A caller's own reference of a send, as a keyed id."""

    reference: UUID
    send_id: UUID


@value
class MessageRow(Row):
    """A message, for one participant where it went to a group."""

    message_key: UUID
    participant: UUID
    origin: Origin = field(metadata=fields_of(Origin, Origin._fields, min))
    at: int | None = field(default=None, metadata=SMALLEST)
    """Its oldest time in WhatsApp's clock."""
    line: str | None = field(default=None, metadata=LARGEST)
    direction: str = field(default=OUTBOUND, metadata=LARGEST)
    send_id: UUID | None = field(default=None, metadata=LARGEST)
    group_key: UUID | None = field(default=None, metadata=LARGEST)
    type: str | None = field(default=None, metadata=LARGEST)
    subtype: str | None = field(default=None, metadata=LARGEST)
    market: str | None = field(default=None, metadata=LARGEST)
    known: MessageState = field(default=status.EMPTY, metadata=known_as(_OF_MESSAGE))

    @property
    def derived(self) -> tuple[Any, ...]:
        """`state`; none of a message that came in."""
        return (None if self.direction == INBOUND else self.known.state,)


class MessagesProjection(Folding):
    """The tables `sends_v2`, `send_references_v1` and `messages_v1`, read as `sends` and so on."""

    name = "messages_v2"
    folds = (
        MessageReceived,
        StatusReceived,
        SendRequested,
        SendRefused,
        SendDispatched,
        SendAccepted,
        SendFailed,
        SendUnknown,
        SendSettled,
    )

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        sql: Mapping[str, str] = load("projections", "messages.sql", schema)
        self.tables = (
            Table("sends_v2", SendRow, sends, sql, "send"),
            Table("send_references_v1", ReferenceRow, references, sql, "reference"),
            Table("messages_v1", MessageRow, messages, sql, "message"),
        )

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the tables and their views where they are missing."""
        return load("projections", "messages.sql", schema)["ddl"]


def sends(items: Iterable[Recorded]) -> Iterator[SendRow]:
    """The row that each event of a send makes."""
    for item in items:
        match item.event:
            case SendRequested() | SendRefused() as event:
                yield SendRow(
                    send_id=to_uuid(event.send_id),
                    request=Request(item.position, event.originator_id, event.timestamp),
                    line=event.line,
                    group_key=_uuid(event.group_key),
                    caller=event.caller,
                    face=event.face,
                    kind=event.kind,
                    type=event.type,
                    category=event.category,
                    template=event.template,
                    language=event.language,
                    market=event.market,
                    known=status.fold(status.EMPTY, event),
                )
            case SendDispatched() as event:
                yield SendRow(to_uuid(event.send_id), line=event.line, dispatched=event.attempt)
            case SendAccepted() | SendFailed() | SendUnknown() | SendSettled() as event:
                yield SendRow(to_uuid(event.send_id), line=event.line, known=status.fold(status.EMPTY, event))
            case _:
                pass


def references(items: Iterable[Recorded]) -> Iterator[ReferenceRow]:
    """The references that each send was given."""
    for item in items:
        if isinstance(item.event, SendRequested | SendRefused):
            for reference in item.event.references or ():
                yield ReferenceRow(to_uuid(reference), to_uuid(item.event.send_id))


def messages(items: Iterable[Recorded]) -> Iterator[MessageRow]:
    """The row that each event of a message makes."""
    for item in items:
        origin = Origin(item.position, item.event.originator_id)
        match item.event:
            case MessageReceived() as event:
                yield MessageRow(
                    to_uuid(event.message_key),
                    NOBODY,
                    origin,
                    at=event.at_used,
                    line=event.line,
                    direction=event.direction or INBOUND,
                    group_key=_uuid(event.group_key),
                    type=event.type,
                    subtype=event.subtype,
                    market=event.market,
                )
            case StatusReceived() as event:
                yield MessageRow(
                    to_uuid(event.message_key),
                    _uuid(event.participant_key) or NOBODY,
                    origin,
                    at=event.at_used,
                    line=event.line,
                    direction=OUTBOUND,
                    send_id=_uuid(event.send_id),
                    group_key=_uuid(event.group_key),
                    market=event.market,
                    known=status.fold(status.EMPTY, event),
                )
            case SendAccepted() | SendSettled() as outcome if outcome.message_key:
                yield MessageRow(
                    to_uuid(outcome.message_key),
                    NOBODY,
                    origin,
                    line=outcome.line,
                    direction=OUTBOUND,
                    send_id=to_uuid(outcome.send_id),
                    known=MessageState(accepted=True),
                )
            case _:
                pass


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else to_uuid(text)
