"""What the policy refused: why, whose sends, and to how many conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, get_args

from domain.avoided import Avoided, avoided
from projections.messages import MessagesProjection
from projections.observed import ObservedProjection
from projections.rows import Connection
from projections.sql import load

GROUPS: Final = (
    "day",
    "month",
    "line",
    "reason",
    "caller",
    "face",
    "kind",
    "type",
    "category",
    "template",
    "market",
)
"""What a report may be grouped by; by `reason` it always is."""

DEFAULT: Final = ("line", "reason", "caller", "template")

COUNTS: Final = ("refused", "conversations")
"""refused: sends, each repetition by its caller again. conversations: the different ones they were for."""


@dataclass(frozen=True, slots=True)
class RefusalsReport:
    """Refusals by what was asked for, and their sums."""

    rows: list[dict[str, Any]]
    """The groups asked for (days as dates; None where not known), COUNTS, `avoided`; largest first."""
    totals: dict[str, int]
    """`decided` (all sends), COUNTS, and `avoided_<word>` for each word of Avoided: refusals."""
    as_of: int
    """Position of the log up to which everything is counted."""


class Refusals:
    """Reads the tables of decisions and sends."""

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql: Mapping[str, str] = load("projections", "refusals.sql", schema)

    async def report(
        self,
        db: Connection,
        *,
        from_day: date,
        to_day: date,
        time_zone: str,
        line: str | None = None,
        group_by: Sequence[str] = DEFAULT,
    ) -> RefusalsReport:
        """Sends refused from `from_day` to before `to_day` of an IANA zone; `group_by` out of GROUPS."""
        groups = [name for name in GROUPS if name in (*group_by, "reason")]
        asked = (from_day, to_day, time_zone, line)
        tables = [ObservedProjection.name, MessagesProjection.name]
        async with db.transaction(isolation="repeatable_read", readonly=True):
            await db.execute(self._sql["hold"])
            as_of = await db.fetchval(self._sql["as of"], tables)
            records = await db.fetch(self._sql["report"], *asked, groups)
            totals = await db.fetchrow(self._sql["totals"], *asked)
        rows = [
            {name: record[name] for name in (*groups, *COUNTS)} | {"avoided": avoided(record["reason"])}
            for record in records
        ]
        return RefusalsReport(rows, dict(totals or {}) | _avoided(rows), as_of or 0)


def _avoided(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row["avoided"]] += row["refused"]
    return {f"avoided_{word}": counted[word] for word in get_args(Avoided)}
