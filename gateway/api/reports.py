"""Reports: what was sent and delivered, counted from events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from gateway import errors
from gateway.access import caller_of
from gateway.api import query
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY
from projections.counts import GROUPS


@dataclass(frozen=True, slots=True)
class Asked:
    """The days of a zone that a report is about, `to_day` exclusive, and its line; None: all lines."""

    from_day: date
    to_day: date
    time_zone: str
    line: str | None


async def counts(request: web.Request) -> web.Response:
    """GET /api/reports/counts?from=&to=&line=&group_by=: by days of the account's zone, `to` exclusive.

    Without them: the current month. `group_by` is repeatable, or has commas; default day.
    """
    gateway = request.app[GATEWAY]
    about = asked(request)
    async with gateway.pool.acquire() as db:
        report = await gateway.counts.report(
            db,
            from_day=about.from_day,
            to_day=about.to_day,
            time_zone=about.time_zone,
            line=about.line,
            group_by=groups(request, GROUPS, "day"),
        )
    return errors.json(
        {
            "as_of": report.as_of,
            "time_zone": about.time_zone,
            "currency": gateway.settings.currency,
            "rows": [row(one) for one in report.rows],
            "totals": report.totals,
        }
    )


def asked(request: web.Request) -> Asked:
    """What the caller asked for and may see; the current month without `from` and `to`."""
    gateway = request.app[GATEWAY]
    _, line = reader(request)
    zone = gateway.settings.time_zone
    from_day, to_day = current_month(gateway.clock(), zone)
    about = Asked(query.day(request, "from") or from_day, query.day(request, "to") or to_day, zone, line)
    if about.to_day < about.from_day:
        raise query.bad("to", about.to_day.isoformat(), f"a day after from, {about.from_day}")
    return about


def reader(request: web.Request) -> tuple[ApiKey, str | None]:
    """Who asks, and the line asked for, which a key that is bound to lines has to name."""
    line = query.line(request)
    caller = caller_of(request, Scope.READ, line)
    if line is None and caller.lines:
        raise query.wanted("line", f"given: the key is bound to {', '.join(sorted(caller.lines))}")
    return caller, line


def current_month(now: datetime, time_zone: str) -> tuple[date, date]:
    """Its first day, and the day after `now`."""
    today = now.astimezone(ZoneInfo(time_zone)).date()
    return today.replace(day=1), today + timedelta(days=1)


def groups(request: web.Request, known: Sequence[str], *default: str) -> list[str]:
    """What to group by: repeatable, or with commas; out of `known`."""
    texts = request.query.getall("group_by", default)
    asked = [name for text in texts for name in text.split(",") if name]
    for name in asked:
        if name not in known:
            raise query.bad("group_by", name, "one of " + ", ".join(known))
    return asked


def head(as_of: int, asked: Asked) -> dict[str, Any]:
    """What a report of days begins with."""
    return {
        "as_of": as_of,
        "time_zone": asked.time_zone,
        "from": asked.from_day.isoformat(),
        "to": asked.to_day.isoformat(),
    }


def row(found: dict[str, Any]) -> dict[str, Any]:
    """A row with its days and months as text."""
    return {name: _plain(name, value) for name, value in found.items()}


def _plain(name: str, value: object) -> object:
    if not isinstance(value, date):
        return value
    return value.strftime("%Y-%m") if name == "month" else value.isoformat()
