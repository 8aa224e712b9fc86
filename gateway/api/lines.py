"""Lines and templates: what a line does now, and what WhatsApp says of it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from domain.formatting import to_html
from domain.templates import read
from gateway import errors, silence
from gateway.access import caller_of
from gateway.answers import rfc3339
from gateway.api import views
from gateway.auth import Scope
from gateway.gateway import GATEWAY
from gateway.template_sync import Failed, Looked
from projections.templates import Status, TemplateRow, Word


async def listing(request: web.Request) -> web.Response:
    """GET /api/lines: every configured line, and every other one that the log has seen."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.READ)
    seen, now = await silence.lines(gateway), gateway.clock()
    names = [line for line in sorted(seen) if caller.reaches(line)]
    configured = [line for line in names if line in gateway.settings.lines]
    numbers = dict(zip(configured, await gateway.numbers.of(configured), strict=True))
    found: list[dict[str, Any]] = []
    for line in names:
        state, number = seen[line], numbers.get(line)
        found.append(
            {
                "line": line,
                "configured": line in gateway.settings.lines,
                "mode": gateway.settings.mode(line),
                "window_margin": gateway.settings.margin(line),
                "last_webhook_at": views.moment(state.last_webhook_at) if state.last_webhook_at else None,
                "last_send_at": views.moment(state.last_send_at) if state.last_send_at else None,
                "silent": views.silence(silence.silence(gateway.settings, line, state, now)),
                "unknown": state.unknown,
                "token": number.token if number else None,
                "quality": number.quality if number else None,
                "throughput": number.throughput if number else None,
            }
        )
    return errors.json({"lines": found})


async def templates(request: web.Request) -> web.Response:
    """GET /api/templates: as WhatsApp told, by callback or when it was asked."""
    gateway = request.app[GATEWAY]
    caller_of(request, Scope.READ)
    rows = await gateway.templates.rows()
    items = await gateway.templates.items(rows)
    found = [_template(row, item) for row, item in zip(rows, items, strict=True)]
    return errors.json({"templates": found})


async def sync_templates(request: web.Request) -> web.Response:
    """POST /api/templates/sync: look at WhatsApp's list now."""
    gateway = request.app[GATEWAY]
    caller_of(request, Scope.ADMIN)
    account = gateway.settings.waba
    if account is None:
        detail = "LEDGERLINE_WABA is not set: it names the account whose templates are listed."
        return errors.problem(409, "no-account", detail)
    match await gateway.template_sync.look(account):
        case Looked(listed, changed):
            return errors.json({"listed": listed, "changed": changed})
        case Failed(cause):
            return errors.problem(502, "upstream-failed", f"The templates could not be listed: {cause}.")


def _template(row: TemplateRow, item: dict[str, Any] | None) -> dict[str, Any]:
    definition = read(item) if item else None
    return {
        "account": row.account,
        "name": row.name,
        "language": row.language,
        "status": row.status.status if row.status else None,
        "reason": row.status.reason if row.status else None,
        "status_at": _since(row.status),
        "category": row.category.word if row.category else None,
        "category_at": _since(row.category),
        "quality": row.quality.word if row.quality else None,
        "quality_at": _since(row.quality),
        "first_category": row.first_category.word if row.first_category else None,
        "parameter_format": item.get("parameter_format") if item else None,
        "components": item.get("components") if item else None,
        "preview": to_html(definition.body) if definition else None,
    }


def _since(told: Status | Word | None) -> str | None:
    return rfc3339(told.at) if told else None
