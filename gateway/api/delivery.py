"""What became of the sends that were let pass: rates, latencies, and failures in words."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from domain.graph_errors import title_of
from gateway import errors
from gateway.api import reports
from gateway.gateway import GATEWAY
from projections.delivery import GROUPS, DeliveryReport, Failure


async def delivery(request: web.Request) -> web.Response:
    """GET /api/reports/delivery?from=&to=&line=&group_by=: by days, as the counts; default by line."""
    gateway = request.app[GATEWAY]
    asked = reports.asked(request)
    async with gateway.pool.acquire() as db:
        report = await gateway.delivery.report(
            db,
            from_day=asked.from_day,
            to_day=asked.to_day,
            time_zone=asked.time_zone,
            line=asked.line,
            group_by=reports.groups(request, GROUPS, "line"),
        )
    return errors.json(shown(report, asked))


def shown(report: DeliveryReport, asked: reports.Asked) -> dict[str, Any]:
    """The report as JSON."""
    return reports.head(report.as_of, asked) | {
        "totals": report.totals,
        "rows": [reports.row(one) for one in report.rows],
        "failures": [_failure(one) for one in report.failures],
    }


def _failure(one: Failure) -> dict[str, Any]:
    return {
        "line": one.line,
        "code": one.code,
        "title": "No code was given" if one.code is None else title_of(one.code),
        "failed": one.failed,
        "at_once": one.at_once,
    }
