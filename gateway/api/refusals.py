"""What the policy refused, in words, and what that most likely avoided."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway import errors
from gateway.api import reports
from gateway.gateway import GATEWAY
from projections.refusals import DEFAULT, GROUPS, RefusalsReport


async def refusals(request: web.Request) -> web.Response:
    """GET /api/reports/refusals?from=&to=&line=&group_by=: by days, as the counts.

    Default by line, reason, caller and template; by reason always.
    """
    gateway = request.app[GATEWAY]
    asked = reports.asked(request)
    async with gateway.pool.acquire() as db:
        report = await gateway.refusals.report(
            db,
            from_day=asked.from_day,
            to_day=asked.to_day,
            time_zone=asked.time_zone,
            line=asked.line,
            group_by=reports.groups(request, GROUPS, *DEFAULT),
        )
    return errors.json(shown(report, asked))


def shown(report: RefusalsReport, asked: reports.Asked) -> dict[str, Any]:
    """The report as JSON."""
    return reports.head(report.as_of, asked) | {
        "totals": report.totals,
        "rows": [reports.row(one) for one in report.rows],
    }
