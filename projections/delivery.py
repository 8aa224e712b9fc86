"""What became of the sends that were let pass: how many arrived, how fast, and why the others failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
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
PERCENTILES: Final = ("p50", "p90", "p99")
LATENCIES: Final = tuple(f"{span}_{percentile}" for span in SPANS for percentile in PERCENTILES)
"""Whole seconds by WhatsApp's times; the dispatch is by the gateway's clock, so never less than 0."""


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
            *rows, totals = await db.fetch(self._of_told("report"), *asked, groups)
            failures = await db.fetch(self._of_told("failures"), *asked)
        return DeliveryReport(
            [{name: row[name] for name in groups} | _figures(row) for row in rows],
            _figures(totals),
            [Failure(*failure) for failure in failures],
            as_of or 0,
        )

    def _of_told(self, name: str) -> str:
        return " ".join((self._sql["told"], self._sql[name]))


def _figures(record: asyncpg.Record) -> dict[str, Any]:
    counts = {name: record[name] for name in COUNTS}
    parts = ((counts["delivered"], counts["accepted"]), (counts["read"], counts["delivered"]))
    rates = [_rate(*part) for part in (*parts, (counts["failed"], counts["sends"]))]
    return counts | dict(zip(RATES, rates, strict=True)) | dict(_latencies(record))


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _latencies(record: asyncpg.Record) -> Iterator[tuple[str, int | None]]:
    for span in SPANS:
        for percentile, seconds in zip(PERCENTILES, record[span] or (None,) * len(PERCENTILES), strict=True):
            yield f"{span}_{percentile}", seconds
