"""What became of the sends that were let pass: how many arrived, how fast, and why the others failed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate
from typing import Any, Final

import asyncpg

from projections.messages import MessagesProjection
from projections.observed import ObservedProjection
from projections.rows import Connection
from projections.sql import load

GROUPS: Final = (
    "day",
    "month",
    "line",
    "caller",
    "face",
    "kind",
    "type",
    "category",
    "template",
    "market",
)
"""What a report may be grouped by."""

COUNTS: Final = (
    "sends",
    "accepted",
    "sent",
    "delivered",
    "read",
    "failed",
    "unknown",
    "undelivered",
    "contradicted",
)
"""sends: let pass by the policy. accepted: taken by WhatsApp; sent, delivered, read: at least that far.
failed: by WhatsApp's answer or a later status. undelivered: accepted, with no final word yet.
contradicted: reported failed and delivered; counted as delivered."""

RATES: Final = ("delivered_rate", "read_rate", "failed_rate")
"""delivered of accepted, read of delivered, failed of sends: 0 to 1, None of nothing."""

SPANS: Final = ("dispatch_to_sent", "sent_to_delivered")
PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_LATENCIES: Final = [(span, name, share) for span in SPANS for name, share in PERCENTILES.items()]
LATENCIES: Final = tuple(f"{span}_{name}" for span, name, _ in _LATENCIES)
"""Whole seconds by WhatsApp's times; the dispatch is by the gateway's clock, so never less than 0."""


_Failed = tuple[str | None, int | None]
"""Line and code of a failure."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Sends of a line that failed with one code of WhatsApp's."""

    line: str | None
    code: int | None
    failed: int
    at_once: int
    """By the answer to the send; the others by a later status."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Sends by what was asked for, all of them, and the failures."""

    rows: list[dict[str, Any]]
    """The groups asked for (day and month as dates; None where not known), then COUNTS, RATES, LATENCIES."""
    totals: dict[str, Any]
    failures: list[Failure]
    as_of: int
    """Position of the log up to which everything is counted."""


class Delivery:
    """Reads the tables of decisions, sends and messages."""

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "delivery.sql", schema)

    async def report(
        self,
        db: Connection,
        *,
        from_day: date,
        to_day: date,
        time_zone: str,
        line: str | None = None,
        group_by: Sequence[str] = ("line",),
    ) -> DeliveryReport:
        """Sends decided from `from_day` to before `to_day` of an IANA zone; `group_by` out of GROUPS.

        A send to a group counts once, by the first of its participants whom it reached.
        """
        groups = [name for name in GROUPS if name in group_by]
        asked = (from_day, to_day, time_zone, line)
        tables = [ObservedProjection.name, MessagesProjection.name]
        async with db.transaction(isolation="repeatable_read", readonly=True):
            await db.execute(self._sql["hold"])
            as_of = await db.fetchval(self._sql["as of"], tables)
            await db.execute(self._sql["roomy"])
            records = await db.fetch(" ".join((self._sql["told"], self._sql["report"])), *asked, groups)
        return _report(records, groups, as_of or 0)


@dataclass(slots=True)
class _Sum:
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, Counter[int]] = field(default_factory=lambda: {span: Counter() for span in SPANS})
    """How many sends took so long, by span."""

    def add(self, record: asyncpg.Record) -> None:
        sends = record["sends"]
        if record["state"] is not None:
            self.counts.update(dict.fromkeys(_counted(record), sends))
        for span in SPANS:
            if record[span] is not None:
                self.seconds[span][record[span]] += sends

    def figures(self) -> dict[str, Any]:
        counts = {name: self.counts[name] for name in COUNTS}
        parts = ((counts["delivered"], counts["accepted"]), (counts["read"], counts["delivered"]))
        rates = [_rate(*part) for part in (*parts, (counts["failed"], counts["sends"]))]
        latencies = {
            f"{span}_{name}": _percentile(self.seconds[span], share) for span, name, share in _LATENCIES
        }
        return counts | dict(zip(RATES, rates, strict=True)) | latencies


def _report(records: Sequence[asyncpg.Record], groups: Sequence[str], as_of: int) -> DeliveryReport:
    """From sends that are alike, each of which is part of a row, of all, and perhaps of a failure."""
    rows: defaultdict[tuple[Any, ...], _Sum] = defaultdict(_Sum)
    total, failed, at_once = _Sum(), Counter[_Failed](), Counter[_Failed]()
    for record in records:
        rows[tuple(record[name] for name in groups)].add(record)
        total.add(record)
        if record["state"] == "failed":
            failure = record["failed_line"], record["code"]
            failed[failure] += record["sends"]
            at_once[failure] += 0 if record["failed_later"] else record["sends"]
    return DeliveryReport(
        [dict(zip(groups, key, strict=True)) | rows[key].figures() for key in sorted(rows, key=_nulls_last)],
        total.figures(),
        [
            Failure(*one, failed[one], at_once[one])
            for one in sorted(failed, key=lambda one: (-failed[one], _nulls_last(one)))
        ],
        as_of,
    )


def _counted(record: asyncpg.Record) -> Iterator[str]:
    """Under which of COUNTS sends that are alike stand."""
    state = record["state"]
    yield "sends"
    if record["accepted"]:
        yield "accepted"
    if record["reached"]:
        yield "sent"
    if record["read"]:
        yield "read"
    if state in ("delivered", "failed", "unknown"):
        yield state
    if state in ("accepted", "sent"):
        yield "undelivered"
    if state == "delivered" and record["failed_later"]:
        yield "contradicted"


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _percentile(seconds: Counter[int], share: float) -> int | None:
    """The smallest number of seconds within which that share of the sends was; None of none."""
    wanted = share * seconds.total()
    reached = zip(sorted(seconds), accumulate(seconds[one] for one in sorted(seconds)), strict=True)
    return next((one for one, sends in reached if sends >= wanted), None)


def _nulls_last(key: Sequence[Any]) -> list[tuple[bool, Any]]:
    return [(value is None, "" if value is None else value) for value in key]
