"""What was delivered and what it costs: the report, the messages behind it, a message's own charge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from domain.billing.pricing import Charge
from domain.billing.reconciling import cause_of
from domain.billing.tally import GROUPS, group_of, money
from gateway import billing, errors
from gateway.answers import rfc3339
from gateway.api import query, reports
from gateway.api.reports import Asked
from gateway.as_of import NoPositionError, position_of
from gateway.billing import Days
from gateway.gateway import GATEWAY, Gateway

PATIENCE: Final = 5.0
"""Seconds that a message's own charge may take."""
NOWHERE: Final = ""
"""As a filter: what has none."""
_BOOLEANS: Final = {"true": True, "false": False}


async def report(request: web.Request) -> web.Response:
    """GET /api/reports/billing?from=&to=&line=&group_by=&as_of=: by days of the account's zone."""
    gateway, asked = request.app[GATEWAY], reports.asked(request)
    groups = reports.groups(request, GROUPS, "day")
    found = await gateway.bills.report(days_of(asked), groups, as_of=await _as_of(request))
    return errors.json(shown(found, asked))


async def messages(request: web.Request) -> web.Response:
    """GET /api/reports/billing/messages: those behind a figure, filtered by what a report groups by.

    `billable`, `free_because`, `lacks`, and `differs`: whether WhatsApp's own pricing says otherwise.
    """
    gateway, asked = request.app[GATEWAY], reports.asked(request)
    after = query.after(request)
    as_of, found = await gateway.bills.messages(
        days_of(asked),
        _wanted(request),
        after=after,
        limit=query.limit(request),
        as_of=await _as_of(request),
    )
    head = reports.head(as_of, asked) | {"currency": gateway.settings.currency}
    return errors.json(
        head | {"messages": [_message(charge) for charge in found], "next": after + len(found)}
    )


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


def _wanted(request: web.Request) -> Callable[[Charge], bool]:
    asked = {
        name: request.query[name] for name in (*GROUPS, "free_because", "lacks") if name in request.query
    }
    asked.pop("line", None)
    flags = {name: _flag(request, name) for name in ("billable", "differs") if name in request.query}

    def is_wanted(charge: Charge) -> bool:
        told = {"billable": charge.billable, "differs": cause_of(charge) is not None}
        return all((_said(charge, name) or NOWHERE) == value for name, value in asked.items()) and all(
            told[name] == flag for name, flag in flags.items()
        )

    return is_wanted


def _said(charge: Charge, name: str) -> str | None:
    if name in GROUPS:
        return group_of(charge, name)
    value: str | None = getattr(charge, name)
    return value


def _flag(request: web.Request, name: str) -> bool:
    text = request.query[name]
    if text not in _BOOLEANS:
        raise query.bad(name, text, "true or false")
    return _BOOLEANS[text]


def _message(charge: Charge) -> dict[str, Any]:
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
