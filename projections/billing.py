"""What there is to charge, read from the tables of the counts in the order in which it is priced."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain.billing.pricing import Unit
from projections.counts import CountsProjection
from projections.messages import NOBODY
from projections.rows import Connection
from projections.sql import load

_BELONGING: Final = ("line", "prefix", "kind", "type", "category", "template", "caller")
_AHEAD: Final = 1_000
"""Rows fetched in one go."""
_PATIENCE: Final = 300
"""Seconds for the database to put a month in order."""


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
        """How far in the log the tables are. Comes first in a transaction, for which they stay."""
        await db.execute(self._sql["hold"])
        return await db.fetchval(self._sql["as of"], CountsProjection.name) or 0

    async def unread(self, db: Connection, as_of: int) -> int:
        """Events up to a position that could not be folded."""
        return await db.fetchval(self._sql["unread"], CountsProjection.name, as_of) or 0

    async def units(
        self,
        db: Connection,
        span: Span,
        *,
        keys: Sequence[UUID] | None = None,
        service_of: str | None = None,
    ) -> AsyncIterator[Unit]:
        """What was delivered in a span, in its order. Needs a transaction.

        `keys`: of these messages; `service_of`: what may be a service message of this line.
        """
        told = (span.begins, span.ends, keys, service_of)
        async for record in db.cursor(self._sql["units"], *told, prefetch=_AHEAD, timeout=_PATIENCE):
            *public, status, model, type_, category, subtype, billable = record
            pricing = {"model": model, "type": type_, "category": category}
            pricing |= {"subtype": subtype, "billable": billable}
            known = {name: value for name, value in pricing.items() if value is not None}
            *facts, position = public
            yield Unit(*facts, pricing=known if status else None, position=position)  # type: ignore[misc] # mypy counts a splat as endless

    async def accrued(self, db: Connection, span: Span, time_zone: str) -> list[tuple[Unit, int]]:
        """Sends that WhatsApp took in a span: a unit for all that belong together, and their number."""
        return [
            (
                Unit(
                    NOBODY,
                    NOBODY,
                    row["at"],
                    **{name: row[name] for name in _BELONGING},
                    pricing={"category": row["pricing_category"]},
                ),
                row["messages"],
            )
            for row in await db.fetch(
                self._sql["accrued"], span.begins, span.ends, time_zone, timeout=_PATIENCE
            )
        ]

    async def taken(self, db: Connection, span: Span) -> AsyncIterator[Unit]:
        """Each send that WhatsApp took in a span, in order. Needs a transaction."""
        told = (span.begins, span.ends)
        async for row in db.cursor(self._sql["taken"], *told, prefetch=_AHEAD, timeout=_PATIENCE):
            known = dict(row)
            pricing = {"category": known.pop("pricing_category")}
            yield Unit(known.pop("message_key") or NOBODY, NOBODY, **known, pricing=pricing)

    async def undelivered(self, db: Connection, span: Span) -> list[Unit]:
        """Sends that WhatsApp took in a span, not known to have been delivered or to have failed."""
        return [
            Unit(NOBODY, NOBODY, **dict(row))
            for row in await db.fetch(self._sql["undelivered"], span.begins, span.ends, timeout=_PATIENCE)
        ]

    async def delivered(self, db: Connection, keys: Sequence[UUID]) -> Span | None:
        """From the first to behind the last delivery of some messages."""
        row = await db.fetchrow(self._sql["delivered"], keys)
        return None if row is None or row["first"] is None else Span(row["first"], row["last"] + 1)
