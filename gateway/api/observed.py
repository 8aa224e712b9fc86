"""What enforcing would have refused, and how WhatsApp judged the same sends: the report before a cut-over."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway import errors
from gateway.api import query, reports, views
from gateway.api.reports import Asked
from gateway.gateway import GATEWAY
from projections.observed import FOUND, Listed, ObservedReport


async def observed(request: web.Request) -> web.Response:
    """GET /api/reports/observed?from=&to=&line=&found=&after=&limit=: by days, as the counts.

    `sends` lists those `found` so (repeatable, or with commas; default wrong and missed).
    """
    gateway = request.app[GATEWAY]
    asked = reports.asked(request)
    async with gateway.pool.acquire() as db:
        report = await gateway.observed.report(
            db,
            from_day=asked.from_day,
            to_day=asked.to_day,
            time_zone=asked.time_zone,
            line=asked.line,
            found=_found(request),
            after=query.after(request),
            limit=query.limit(request),
        )
    return errors.json(shown(report, asked, query.after(request)))


def shown(report: ObservedReport, asked: Asked, after: int = 0) -> dict[str, Any]:
    """The report as JSON."""
    return reports.head(report.as_of, asked) | {
        "totals": report.totals,
        "rows": report.rows,
        "sends": [_send(one) for one in report.sends],
        "next": report.sends[-1].position if report.sends else after,
    }


def _found(request: web.Request) -> list[str]:
    texts = request.query.getall("found", ["wrong,missed"])
    asked = [word for text in texts for word in text.split(",") if word]
    for word in asked:
        if word not in FOUND:
            raise query.bad("found", word, "one of " + ", ".join(FOUND))
    return asked


def _send(one: Listed) -> dict[str, Any]:
    return {
        "send_id": str(one.send_id),
        "position": one.position,
        "decided_at": views.moment(one.decided_at),
        "line": one.line,
        "caller": one.caller,
        "face": one.face,
        "type": one.type,
        "reason": one.reason,
        "found": one.found,
        "code": one.code,
    }
