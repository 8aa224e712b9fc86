"""Which windows are open now, and which close soon."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from domain.events import CallReceived, Recorded
from domain.inbound.calls import BUSINESS
from gateway import errors
from gateway.answers import rfc3339
from gateway.api import query, reports, views
from gateway.auth import Scope
from gateway.gateway import GATEWAY, Gateway
from gateway.reports import open_windows
from gateway.reports.open_windows import Closing, WindowsReport

HOURS: Final = 2
MAX_HOURS: Final = 24
_CURSOR: Final = re.compile(r"([0-9]{1,19})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


async def windows(request: web.Request) -> web.Response:
    """GET /api/reports/windows?line=&hours=&after=&limit=: open now, and those that close within `hours`.

    `after` is the `next` of the page before. Contacts only to a key with the scope content.
    """
    gateway = request.app[GATEWAY]
    caller, line = reports.reader(request)
    hours = query.integer(request, "hours", HOURS, 1, MAX_HOURS)
    after, limit = _after(request), query.limit(request)
    async with gateway.pool.acquire() as db:
        report = await open_windows.report(db, gateway.settings, now=gateway.clock(), hours=hours, line=line)
    listed = [one for one in report.closing if (one.sendable_until, one.conversation) > after]
    page = listed[:limit]
    view = shown(report, page)
    if caller.may(Scope.CONTENT):
        for one, contact in zip(view["conversations"], await _contacts(gateway, page), strict=True):
            one["contact"] = contact
    view["next"] = _cursor(page[-1]) if len(listed) > limit else None
    return errors.json(view)


def shown(report: WindowsReport, listed: Sequence[Closing]) -> dict[str, Any]:
    """The report as JSON, with those of its closing windows that are `listed`."""
    return {
        "as_of": report.as_of,
        "at": views.moment(report.at),
        "hours": report.hours,
        "totals": report.totals,
        "rows": report.rows,
        "conversations": [_view(one) for one in listed],
    }


def _view(one: Closing) -> dict[str, Any]:
    return {
        "conversation": str(one.conversation),
        "line": one.line,
        "sendable_until": rfc3339(one.sendable_until),
        "open_until": rfc3339(one.open_until),
        "opened_by": one.opened_by,
    }


def _cursor(one: Closing) -> str:
    return f"{one.sendable_until}.{one.conversation}"


def _after(request: web.Request) -> tuple[int, UUID]:
    text = request.query.get("after")
    if text is None:
        return 0, UUID(int=0)
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise query.bad("after", text, "the `next` of an answer of this report")
    return int(found[1]), UUID(found[2])


async def _contacts(gateway: Gateway, listed: Sequence[Closing]) -> list[str | None]:
    """Who opened each window; None where that can't be read any more."""
    async with gateway.pool.acquire() as db:
        places = await open_windows.openers(db, gateway.settings.schema_name, listed)
    found = [one for one in await gateway.log.events_at(sorted(places.values())) if isinstance(one, Recorded)]
    opened = await gateway.log.opened([one.event for one in found])
    names = {one.position: _name(content) for one, content in zip(found, opened, strict=True)}
    return [
        names.get(places[one.opened_by]) if one.opened_by in places else await _caller(gateway, one)
        for one in listed
    ]


async def _caller(gateway: Gateway, one: Closing) -> str | None:
    """Whose call opened the window."""
    conversation = await gateway.log.conversation(one.line, str(one.conversation))
    history = await gateway.log.history(conversation.streams) if conversation else []
    calls = [item.event for item in history if isinstance(item, Recorded)]
    mine = [call for call in calls if isinstance(call, CallReceived) and call.call_key == one.opened_by]
    opened = await gateway.log.opened(mine)
    told = (
        _name(content, "to" if call.direction == BUSINESS else "from")
        for call, content in zip(mine, opened, strict=True)
    )
    return next((name for name in told if name), None)


def _name(content: dict[str, Any] | None, field: str = "from") -> str | None:
    known = content or {}
    return next((str(known[name]) for name in (field, "user_id") if known.get(name)), None)
