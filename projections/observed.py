"""What the policy decided about each send, and whether WhatsApp agreed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from domain.events import Recorded, SendRefused, SendRequested
from domain.policy import REFUSALS
from domain.values import value
from projections.messages import MessagesProjection
from projections.rows import LARGEST, SMALLEST, Connection, Folding, Row, Table, to_uuid
from projections.sql import load

GROUPS: Final = ("line", "reason", "caller", "face", "type")
"""What the rows of a report are told apart by."""

FOUND: Final = ("right", "wrong", "undecided", "failed", "missed", "allowed", "refused")
"""What became of a send. Of those that only observing let pass: right (WhatsApp failed it for the reason
given), wrong (it was sent, delivered or read), undecided (no final word yet), failed (for another reason).
missed: allowed, and WhatsApp failed it with 131047. allowed: any other. refused: enforced, not posted."""

COUNTS: Final = ("sends", "observed", *FOUND)
"""observed: what enforcing would have refused, the sum of right, wrong, undecided and failed."""


@value
class DecidedSend(Row):
    """A send as the policy judged it."""

    send_id: UUID
    position: int = field(metadata=SMALLEST)
    decided_at: datetime = field(metadata=SMALLEST)
    line: str | None = field(metadata=LARGEST)
    caller: str = field(metadata=LARGEST)
    face: str = field(metadata=LARGEST)
    type: str = field(metadata=LARGEST)
    verdict: str = field(metadata=LARGEST)
    """allowed, observed (let pass only because the line observes) or refused."""
    reason: str | None = field(default=None, metadata=LARGEST)


@dataclass(frozen=True, slots=True)
class Listed:
    """One send of a report."""

    send_id: UUID
    position: int
    decided_at: datetime
    line: str | None
    caller: str
    face: str
    type: str
    reason: str | None
    found: str
    code: int | None
    """WhatsApp's error, where it failed."""


@dataclass(frozen=True, slots=True)
class ObservedReport:
    """Decisions against WhatsApp's word."""

    rows: list[dict[str, Any]]
    """GROUPS, then COUNTS."""
    totals: dict[str, int]
    sends: list[Listed]
    as_of: int
    """Position of the log up to which decisions and outcomes are known."""


_OUR_OWN: Final = ("no_opt_in", "category_drift")
"""Reasons that are no rule of WhatsApp's: no code proves them right."""

_OLDER: Final = {131047: 470}

_PROOFS: Final = [
    (reason, code)
    for reason, refusal in REFUSALS.items()
    if reason not in _OUR_OWN
    for code in filter(None, (refusal.cloud_code, _OLDER.get(refusal.cloud_code)))
]

FORETOLD: Final = ([reason for reason, _ in _PROOFS], [code for _, code in _PROOFS])
"""Reasons, and beside each a code by which WhatsApp says the same."""


class ObservedProjection(Folding):
    """The table `observed_v1`, read as `observed`; what became of the sends is in `sends` and `messages`."""

    name = "observed_v1"
    folds = (SendRequested, SendRefused)

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "observed.sql", schema)
        self.tables = (Table("observed_v1", DecidedSend, _decided, self._sql, "send"),)

    @staticmethod
    def ddl(schema: str) -> str:
        """Statements that make the table and its view where they are missing."""
        return load("projections", "observed.sql", schema)["ddl"]

    async def report(  # noqa: PLR0913 - each one a filter of the interface
        self,
        db: Connection,
        *,
        from_day: date,
        to_day: date,
        time_zone: str,
        line: str | None = None,
        found: Sequence[str] = ("wrong", "missed"),
        after: int = 0,
        limit: int = 100,
    ) -> ObservedReport:
        """Sends decided from `from_day` to before `to_day` of an IANA zone.

        `sends`: at most `limit` of those that were `found` so (out of FOUND), after that position, in order.
        """
        asked = (from_day, to_day, time_zone, line, *FORETOLD)
        async with db.transaction(isolation="repeatable_read", readonly=True):
            await db.execute(self._sql["hold"])
            as_of = await db.fetchval(self._sql["as of"], [self.name, MessagesProjection.name])
            records = await db.fetch(self._with_found("report"), *asked)
            listed = await db.fetch(self._with_found("sends"), *asked, list(found), after, limit)
        rows = [dict(record) for record in records]
        totals = {name: sum(row[name] for row in rows) for name in COUNTS}
        return ObservedReport(rows, totals, [Listed(*record) for record in listed], as_of or 0)

    def _with_found(self, name: str) -> str:
        return " ".join((self._sql["found"], self._sql[name]))


def _decided(items: Iterable[Recorded]) -> Iterator[DecidedSend]:
    for item in items:
        match item.event:
            case SendRequested(decision=decision) as event:
                yield _row(item.position, event, "observed" if decision.get("observed") else "allowed")
            case SendRefused() as event:
                yield _row(item.position, event, "refused")
            case _:
                pass


def _row(position: int, event: SendRequested | SendRefused, verdict: str) -> DecidedSend:
    return DecidedSend(
        send_id=to_uuid(event.send_id),
        position=position,
        decided_at=event.timestamp,
        line=event.line,
        caller=event.caller,
        face=event.face,
        type=event.type,
        verdict=verdict,
        reason=event.decision.get("reason"),
    )
