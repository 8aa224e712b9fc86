"""What there is to charge, read from the tables of the counts in the order in which it is priced."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain.billing.markets import BSUID
from domain.billing.pricing import Unit
from projections.counts import CountedDelivery, CountedSend, CountsProjection
from projections.messages import NOBODY
from projections.rows import Connection, from_record
from projections.sql import load

_DELIVERY: Final = 16
_SEND: Final = 12
_AHEAD: Final = 1_000
"""Rows fetched in one go."""


@dataclass(frozen=True, slots=True)
class Span:
    """Unix seconds, `ends` exclusive."""

    begins: int
    ends: int


class Billing:
    """Queries of the tables `counts_sends_v2` and `counts_deliveries_v2`."""

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "billing.sql", schema)

    async def as_of(self, db: Connection) -> int:
        """How far in the log the tables are."""
        return await db.fetchval(self._sql["as of"], CountsProjection.name) or 0

    async def units(
        self, db: Connection, span: Span, keys: Sequence[UUID] | None = None
    ) -> AsyncIterator[Unit]:
        """What was delivered in a span, in its order; `keys`: of these messages. Needs a transaction."""
        cursor = db.cursor(self._sql["units"], span.begins, span.ends, keys, prefetch=_AHEAD)
        async for record in cursor:
            delivery = from_record(CountedDelivery, record)
            send = from_record(CountedSend, tuple(record)[_DELIVERY:]) if record[_DELIVERY] else None
            yield unit_of(delivery, send)

    async def accrued(self, db: Connection, span: Span) -> AsyncIterator[Unit]:
        """Sends that WhatsApp took in a span, as units at their dispatch. Needs a transaction."""
        async for record in db.cursor(self._sql["accrued"], span.begins, span.ends, prefetch=_AHEAD):
            send, first = from_record(CountedSend, record), tuple(record)[_SEND:]
            delivery = from_record(CountedDelivery, first) if first[0] else CountedDelivery(NOBODY, NOBODY)
            yield unit_of(delivery, send, at=send.dispatched_at)

    async def delivered(self, db: Connection, keys: Sequence[UUID]) -> Span | None:
        """From the first to behind the last delivery of some messages."""
        row = await db.fetchrow(self._sql["delivered"], keys)
        return None if row is None or row["first"] is None else Span(row["first"], row["last"] + 1)


def unit_of(delivery: CountedDelivery, send: CountedSend | None, *, at: int | None = None) -> Unit:
    """What two rows say of one unit; `at` instead of its delivery."""
    moment = at if at is not None else delivery.known.delivered_at or 0
    return Unit(
        message_key=delivery.message_key,
        participant=delivery.participant,
        at=moment,
        line=(send and send.line) or delivery.line,
        prefix=_prefix((delivery.market, send.market if send else None)),
        send_id=send.send_id if send else delivery.send_id,
        kind=send.kind if send else None,
        type=(send and send.type) or delivery.type,
        category=send.category if send else None,
        template=send.template if send else None,
        caller=send.caller if send else None,
        window_open=_window_open(send, moment) if send else None,
        in_free_entry=bool(delivery.in_free_entry),
        pricing=delivery.known.pricing,
        position=delivery.position,
    )


def _prefix(told: Sequence[str | None]) -> str | None:
    """The first, but that of a number before any user id's country."""
    known = [one for one in told if one]
    return min(known, key=lambda one: one.startswith(BSUID), default=None)


def _window_open(send: CountedSend, delivered_at: int) -> bool | None:
    if send.window_until is None:
        return None
    at = send.dispatched_at
    return (delivered_at if at is None else at) < send.window_until
