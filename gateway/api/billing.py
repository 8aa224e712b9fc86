"""What was delivered and what it costs: the report, the messages behind it, a message's own charge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from domain.billing.pricing import Charge
from domain.billing.reconciling import cause_of
from domain.billing.tally import GROUPS, money
from gateway import errors
from gateway.answers import rfc3339
from gateway.api import query, reports
from gateway.api.reports import Asked
from gateway.gateway import GATEWAY, Gateway
from gateway.reports import bill_texts, billing, texts
from gateway.reports.as_of import NoPositionError, position_of
from gateway.reports.billing import Days
from gateway.reports.filters import OF_MESSAGES, OF_SENDS, WrongFilterError, wanted

CSV: Final = "text/csv"
PATIENCE: Final = 5.0
"""Seconds that a message's own charge may take."""


async def report(request: web.Request) -> web.Response:
    """GET /api/reports/billing?from=&to=&line=&group_by=&as_of=: by days of the account's zone.

    With `Accept: text/csv` its rows as CSV.
    """
    gateway, asked = request.app[GATEWAY], reports.asked(request)
    groups = reports.groups(request, GROUPS, "day")
    found = await gateway.bills.report(days_of(asked), groups, as_of=await _as_of(request))
    body = shown(found, asked)
    if CSV in request.headers.get("Accept", ""):
        names = [name for name in GROUPS if name in groups]
        text = texts.as_csv(body, (*names, *bill_texts.CHARGED))
        return web.Response(text=text + "\n", content_type=CSV, charset="utf-8")
    return errors.json(body)


async def messages(request: web.Request) -> web.Response:
    """GET /api/reports/billing/messages: those behind a figure, filtered by what a report groups by.

    `billable`, `free_because`, `lacks`, and `differs`: whether WhatsApp's own pricing says otherwise.
    """
    gateway = request.app[GATEWAY]
    return await _behind(request, "messages", OF_MESSAGES, gateway.bills.messages, message)


async def sends(request: web.Request) -> web.Response:
    """GET /api/reports/billing/sends: those that a figure of `accrued` counts."""
    gateway = request.app[GATEWAY]
    return await _behind(request, "sends", OF_SENDS, gateway.bills.sends, send)


async def _behind(
    request: web.Request,
    name: str,
    filters: Sequence[str],
    read: Callable[..., Awaitable[tuple[int, list[Charge]]]],
    view: Callable[[Charge], dict[str, Any]],
) -> web.Response:
    asked, after = reports.asked(request), query.after(request)
    chosen = {name: request.query[name] for name in OF_MESSAGES if name in request.query}
    try:
        is_wanted = wanted(chosen, filters)
    except WrongFilterError as error:
        raise query.bad(*error.args) from None
    limit, position = query.limit(request), await _as_of(request)
    as_of, found = await read(days_of(asked), is_wanted, after=after, limit=limit, as_of=position)
    head = reports.head(as_of, asked) | {"currency": request.app[GATEWAY].settings.currency}
    return errors.json(head | {name: [view(charge) for charge in found], "next": after + len(found)})


def shown(found: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """The report as JSON."""
    return reports.head(found["as_of"], asked) | found


def days_of(asked: Asked) -> Days:
    """The days and the line that were asked for."""
    return Days(asked.from_day, asked.to_day, asked.line)


async def of_message(gateway: Gateway, keys: Iterable[UUID]) -> dict[str, Any] | None:
    """The charge of one message, of a group's participants together.

    None before it is delivered, and where too much came before it in its month to be read at once.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            charges = await gateway.bills.of_messages(sorted(set(keys)))
    except TimeoutError:
        return None
    return _together(charges, gateway.settings.currency)


def _together(charges: Sequence[Charge], currency: str) -> dict[str, Any] | None:
    if not charges:
        return None
    costs = [charge.cost for charge in charges]
    known = [cost for cost in costs if cost is not None]
    cost = money(sum(known, Decimal(0))) if len(known) == len(costs) else None
    together = {"billable": any(charge.billable for charge in charges), "cost": cost, "currency": currency}
    return dict(billing.shown(charges[0])) | together


async def _as_of(request: web.Request) -> int | None:
    """A position of the log, or a time that stands for one; None: as far as the tables are."""
    text = request.query.get("as_of")
    if text is None:
        return None
    try:
        # A plus that was not escaped arrives as a space.
        return await position_of(text.replace(" ", "+"), request.app[GATEWAY].tail)
    except NoPositionError as error:
        raise query.bad("as_of", text, str(error)) from None


def message(charge: Charge) -> dict[str, Any]:
    """A message, and what it is charged."""
    unit = charge.unit
    return {
        "message_key": str(unit.message_key),
        "participant_key": str(unit.participant) if unit.participant.int else None,
        "send_id": str(unit.send_id) if unit.send_id else None,
        "position": unit.position,
        "at": rfc3339(unit.at),
        "day": charge.day.isoformat(),
        "line": unit.line,
        "type": unit.type,
        "template": unit.template,
        "caller": unit.caller,
        **billing.shown(charge),
        "billable_whatsapp": unit.billable_whatsapp,
        "differs_because": cause_of(charge),
        "era": charge.era,
        "card": charge.found.card_id if charge.found else None,
        "lacks": charge.lacks,
    }


def send(charge: Charge) -> dict[str, Any]:
    """A send that WhatsApp took, at its dispatch."""
    unit = charge.unit
    return {
        "send_id": str(unit.send_id),
        "message_key": str(unit.message_key) if unit.message_key.int else None,
        "at": rfc3339(unit.at),
        "day": charge.day.isoformat(),
        "line": unit.line,
        "type": unit.type,
        "template": unit.template,
        "caller": unit.caller,
        "market": charge.market.name if charge.market else None,
        "category": charge.category,
    }
