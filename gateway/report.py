"""`ledgerline report`: what the reports of the API tell, as text, read from the database itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway.api.reports import Asked
from gateway.store.postgres import Pool
from gateway.store.tail import Tail
from projections import catalogue
from projections.observed import COUNTS, GROUPS, ObservedProjection, ObservedReport
from projections.runner import Runner

LISTED: Final = 20
"""Sends named one by one; GET /api/reports/observed lists them all."""


async def observed(pool: Pool, schema: str, asked: Asked) -> ObservedReport:
    """The report of observe mode; projections are brought up to the head first, gateway or not."""
    await Runner(catalogue.projections(schema), pool, Tail(pool, schema), schema=schema).catch_up()
    async with pool.acquire() as db:
        return await ObservedProjection(schema).report(
            db,
            from_day=asked.from_day,
            to_day=asked.to_day,
            time_zone=asked.time_zone,
            line=asked.line,
            limit=LISTED,
        )


def told(report: ObservedReport, asked: Asked) -> Iterator[str]:
    """The report as lines of text."""
    totals = report.totals
    yield (
        f"Sends from {asked.from_day} to before {asked.to_day} ({asked.time_zone}), "
        f"up to position {report.as_of}: {totals['sends']}"
    )
    yield f"Enforcing would have refused {totals['observed']}:"
    yield f"  right      {totals['right']:>8}  WhatsApp failed them for the same reason"
    yield f"  wrong      {totals['wrong']:>8}  WhatsApp sent or delivered them"
    yield f"  failed     {totals['failed']:>8}  WhatsApp failed them for another reason"
    yield f"  undecided  {totals['undecided']:>8}  no final word yet"
    yield f"It would have let pass {totals['missed']} that WhatsApp failed with 131047 (missed)."
    yield f"Refused where a line enforces already: {totals['refused']}"
    if report.rows:
        yield ""
        yield from _table(report.rows)
    if report.sends:
        yield ""
        yield f"The first {len(report.sends)} wrong or missed ones (GET /api/messages/<send_id> says more):"
        yield from (f"{one.send_id}  {one.found}  {one.reason or '-'}" for one in report.sends)


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    names = (*GROUPS, *COUNTS)
    cells = [
        names,
        *(tuple(str(row[name] if row[name] is not None else "-") for name in names) for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        words = (
            text.ljust(width) if name in GROUPS else text.rjust(width)
            for name, text, width in zip(names, line, widths, strict=True)
        )
        yield "  ".join(words).rstrip()
