"""The life of one message: from its tables, or from the events themselves when the tables lag behind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from uuid import UUID

from domain import status
from domain.events import Event, Recorded
from domain.status import MessageState
from projections.messages import INBOUND, MessageRow, MessagesProjection, SendRow, messages, sends
from projections.rows import Connection, from_record, merged
from projections.sql import load


@dataclass(frozen=True, slots=True)
class Found:
    """Where a search found a message: a send of ours, or one that is not."""

    position: int
    send_id: UUID | None
    message_key: UUID | None


@dataclass(frozen=True, slots=True)
class Reported:
    """An unknown send that WhatsApp has reported on: which of its attempts, and where that stands."""

    send_id: UUID
    attempt: int
    position: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A message of ours that WhatsApp has reported neither delivered nor failed."""

    position: int
    """Of its first event, which holds its id."""
    send_id: UUID
    reached: str | None
    """sent, or nothing yet."""
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class MessageLife:
    """All that is known of a message in the open: the send it was asked with, and what it became.

    At least one of the two is there.
    """

    send: SendRow | None
    parts: tuple[MessageRow, ...]
    """One for each participant of a group, else one; several as well when a send was repeated."""

    @property
    def send_id(self) -> UUID | None:
        """Ours; None for a message that is no send of ours."""
        return self.send.send_id if self.send else None

    @property
    def message_key(self) -> UUID | None:
        """Keyed id of WhatsApp's message id; the newest when a send became several."""
        return max(self.parts, key=lambda part: part.origin.position).message_key if self.parts else None

    @property
    def position(self) -> int:
        """Of the request, else of the first event."""
        if self.send and self.send.request:
            return self.send.request.position
        return min((part.origin.position for part in self.parts), default=0)

    @property
    def streams(self) -> frozenset[UUID]:
        """Where its events begin; streams linked to these may hold more."""
        asked = {self.send.request.stream} if self.send and self.send.request else set()
        return frozenset(asked | {part.origin.stream for part in self.parts})

    @property
    def known(self) -> MessageState:
        """Send and parts together."""
        start = self.send.known if self.send else status.EMPTY
        return reduce(status.merge, (part.known for part in self.parts), start)

    @property
    def direction(self) -> str:
        """Inbound or outbound."""
        is_inbound = self.send is None and all(part.direction == INBOUND for part in self.parts)
        return INBOUND if is_inbound else "outbound"

    @property
    def state(self) -> str | None:
        """The word for it; None for a message that came in."""
        return None if self.direction == INBOUND else self.known.state

    @property
    def line(self) -> str | None:
        """Its line."""
        return next((row.line for row in (self.send, *self.parts) if row and row.line), None)

    @property
    def type(self) -> str | None:
        """Type of the message; None where nothing but statuses of it are known."""
        return next((row.type for row in (self.send, *self.parts) if row and row.type), None)


def life(
    items: Iterable[Recorded], *, send_id: UUID | None = None, message_key: UUID | None = None
) -> MessageLife | None:
    """The life of one message, given the events of its streams; None when they do not hold it.

    The same as the tables give once they have seen these events.
    """
    events = list(items)
    return _Rows(merged(sends(events)).values(), merged(messages(events)).values()).life(send_id, message_key)


def concerns(found: MessageLife, event: Event) -> bool:
    """Whether an event is part of this message's life."""
    send_id, key = getattr(event, "send_id", None), getattr(event, "message_key", None)
    if send_id is not None and found.send_id == UUID(send_id):
        return True
    return key is not None and any(part.message_key == UUID(key) for part in found.parts)


class Messages:
    """Queries of the tables of messages."""

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "messages.sql", schema)

    async def position(self, db: Connection) -> int:
        """How far in the log the tables are."""
        return await db.fetchval(self._sql["position"], MessagesProjection.name) or 0

    async def life(
        self,
        db: Connection,
        *,
        send_id: UUID | None = None,
        message_key: UUID | None = None,
        behind: Iterable[Recorded] = (),
    ) -> MessageLife | None:
        """The life of one message, by either id; None when nothing is known of it.

        `behind`: events that the tables may not hold yet, from `position` on.
        """
        events = list(behind)
        fresh = _Rows(merged(sends(events)).values(), merged(messages(events)).values())
        send_ids, keys = fresh.related(send_id, message_key)
        stored = await self._stored(db, send_ids, keys)
        return fresh.over(stored).life(send_id, message_key)

    async def search(  # noqa: PLR0913 - each one a filter of the interface
        self,
        db: Connection,
        *,
        references: Sequence[UUID] | None = None,
        state: str | None = None,
        line: str | None = None,
        from_time: int | None = None,
        to_time: int | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[MessageLife]:
        """At most `limit` lives that begin after position `after`, in the order of their positions.

        Times are Unix seconds, `to_time` exclusive: of the request for a send of ours, else WhatsApp's own.
        """
        send_ids = None
        if references is not None:
            send_ids = [row["send_id"] for row in await db.fetch(self._sql["of references"], references)]
        lives: list[MessageLife] = []
        filters = (send_ids, state, line, from_time, to_time)
        while len(lives) < limit:
            records = await db.fetch(self._sql["search"], after, limit, *filters)
            found = [Found(*record) for record in records]
            lives += [one for one in await self._lives(db, found) if one and state in (None, one.state)]
            if len(found) < limit:
                break
            after = found[-1].position
        return lives[:limit]

    async def open(self, db: Connection, *, without: Iterable[UUID], limit: int) -> list[tuple[UUID, int]]:
        """Sends on their way and the attempt that has no outcome yet, as far as the tables are."""
        rows = await db.fetch(self._sql["open"], list(without), limit)
        return [(row["send_id"], row["dispatched"]) for row in rows]

    async def reported(self, db: Connection, *, without: Iterable[int], limit: int) -> list[Reported]:
        """Unknown sends whose first events as messages are known, newest first; not these positions."""
        return [Reported(*row) for row in await db.fetch(self._sql["reported"], list(without), limit)]

    async def undelivered(
        self, db: Connection, *, after: int, until: datetime, limit: int
    ) -> list[Undelivered]:
        """Messages to persons, asked for before `until`, from the first after a position."""
        rows = await db.fetch(self._sql["undelivered"], after, until, limit)
        return [Undelivered(*row) for row in rows]

    async def _lives(self, db: Connection, found: Sequence[Found]) -> list[MessageLife | None]:
        send_ids = {one.send_id for one in found if one.send_id}
        rows = await self._stored(db, send_ids, {one.message_key for one in found if one.message_key})
        return [rows.life(one.send_id, one.message_key) for one in found]

    async def _stored(self, db: Connection, send_ids: set[UUID], keys: set[UUID]) -> _Rows:
        parts = [
            from_record(MessageRow, record)
            for record in await db.fetch(self._sql["messages"], send_ids, keys)
        ]
        send_ids = send_ids | {part.send_id for part in parts if part.send_id}
        asked = [from_record(SendRow, record) for record in await db.fetch(self._sql["sends"], send_ids)]
        return _Rows(asked, parts)


class _Rows:
    """Sends and messages, and which belong together."""

    def __init__(self, asked: Iterable[SendRow], parts: Iterable[MessageRow]) -> None:
        self._sends = {row.send_id: row for row in asked}
        self._parts: dict[UUID, list[MessageRow]] = defaultdict(list)
        self._keys: dict[UUID, set[UUID]] = defaultdict(set)
        for row in parts:
            self._parts[row.message_key].append(row)
            if row.send_id:
                self._keys[row.send_id].add(row.message_key)

    def over(self, older: _Rows) -> _Rows:
        """These rows merged with others."""
        asked, parts = older.rows()
        mine, my_parts = self.rows()
        return _Rows(merged([*asked, *mine]).values(), merged([*parts, *my_parts]).values())

    def rows(self) -> tuple[list[SendRow], list[MessageRow]]:
        """All of both kinds."""
        return [*self._sends.values()], [row for some in self._parts.values() for row in some]

    def related(self, send_id: UUID | None, message_key: UUID | None) -> tuple[set[UUID], set[UUID]]:
        """All send_ids and message_keys that belong to one of the two."""
        keys = {message_key} if message_key else set()
        send_ids = {row.send_id for key in keys for row in self._parts.get(key, ()) if row.send_id}
        if send_id:
            send_ids.add(send_id)
        return send_ids, keys.union(*(self._keys.get(one, ()) for one in send_ids))

    def life(self, send_id: UUID | None, message_key: UUID | None) -> MessageLife | None:
        keys = {message_key} if message_key else set()
        send_ids = {send_id} | {row.send_id for key in keys for row in self._parts.get(key, ())}
        known = max((one for one in send_ids if one), default=None)
        if known:
            keys |= self._keys.get(known, set())
        parts = (row for key in keys for row in self._parts.get(key, ()))
        rows = tuple(sorted(parts, key=lambda row: (row.message_key, row.participant)))
        send = self._sends.get(known) if known else None
        return MessageLife(send, rows) if send or rows else None
