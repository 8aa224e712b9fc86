"""Charges of a history in memory, by the rows that the projections make of its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from domain.billing.cards import Card, read
from domain.billing.eras import eras
from domain.billing.markets import BSUID
from domain.billing.pricing import Charge, Unit, price
from domain.billing.rates import Rates
from domain.events import Event, Recorded, SendAccepted, SendRequested, StatusReceived
from projections.counts import CountedDelivery, CountedSend, counted_deliveries, counted_sends
from projections.messages import NOBODY
from projections.rows import merged

LINE, OTHER_LINE = "106540352242922", "106540352242923"
STREAM = UUID(int=1)
HEAD = "market,category,tier,rate,currency,valid_from,valid_to"
TIERS = ("1:2", "3:4", "5:MAX")


def card(*lines: str) -> Card:
    """A card of these lines."""
    made = read("\n".join((HEAD, *lines)))
    assert isinstance(made, Card), made
    return made


def tiered(market: str, category: str, *rates: str) -> list[str]:
    """Lines of a card whose tiers hold two messages each."""
    if len(rates) == 1:
        return [f"{market},{category},,{rates[0]},USD,2000-01-01,"]
    return [
        f"{market},{category},{tier},{rate},USD,2000-01-01," for tier, rate in zip(TIERS, rates, strict=True)
    ]


def charges(history: Sequence[Event], rates: Rates, zone: str = "UTC") -> list[Charge]:
    """What everything that was delivered costs, in order."""
    return list(price(units(history), eras=eras(), rates=rates, zone=ZoneInfo(zone)))


def units(history: Iterable[Event]) -> list[Unit]:
    """What there is to charge."""
    log = [Recorded(position, event) for position, event in enumerate(history, 1)]
    sends = {row.send_id: row for row in merged(counted_sends(log)).values()}
    rows = list(merged(counted_deliveries(log)).values())
    of_message = {row.message_key: row.send_id for row in rows if row.send_id}
    types = {row.message_key: row.type for row in rows if row.participant == NOBODY}
    delivered = [row for row in rows if row.known.delivered_at is not None]
    named = {row.message_key for row in delivered if row.participant != NOBODY}
    return [
        unit_of(
            replace(row, type=row.type or types.get(row.message_key)),
            sends.get(row.send_id or of_message.get(row.message_key, NOBODY)),
        )
        for row in delivered
        if row.participant != NOBODY or row.message_key not in named
    ]


def unit_of(delivery: CountedDelivery, send: CountedSend | None) -> Unit:
    """What two rows say of one unit."""
    moment = delivery.known.delivered_at or 0
    return Unit(
        message_key=delivery.message_key,
        participant=delivery.participant,
        at=moment,
        line=(send and send.line) or delivery.line,
        prefix=_prefix((delivery.market, send.market if send else None)),
        send_id=send.send_id if send else delivery.send_id,
        kind=send.kind if send else None,
        type=(send and send.type) or delivery.type,
        category=send.category if send else None,
        template=send.template if send else None,
        caller=send.caller if send else None,
        window_open=_window_open(send, moment) if send else None,
        in_free_entry=bool(delivery.in_free_entry),
        pricing=delivery.known.pricing,
        position=delivery.position,
    )


def _prefix(told: Sequence[str | None]) -> str | None:
    """The first, but that of a number before any user id's country."""
    known = [one for one in told if one]
    return min(known, key=lambda one: one.startswith(BSUID), default=None)


def _window_open(send: CountedSend, delivered_at: int) -> bool | None:
    if send.window_until is None:
        return None
    at = send.dispatched_at
    return (delivered_at if at is None else at) < send.window_until


def rim(**public: Any) -> dict[str, Any]:
    """What every event has."""
    known = {
        "line": LINE,
        "key": str(uuid4()),
        "sealed": None,
        "timestamp": datetime(2026, 11, 1, tzinfo=UTC),
    }
    return known | {"originator_id": STREAM, "originator_version": 1} | public


def status(word: str, at: int, key: str, **public: Any) -> StatusReceived:
    """A status of a message to a number in the United Kingdom."""
    told = {"status": word, "at_used": at, "message_key": key, "source": "live", "market": "44"}
    return StatusReceived(**rim(**(told | public)))


def sent(
    key: str, at: int, *, category: str | None = None, window_until: int | None = None, **public: Any
) -> list[Event]:
    """A send of ours that WhatsApp took at `at`: a template of a category, or a text without one."""
    kind, type_ = ("template", "template") if category else ("free_form", "text")
    decision = {"allowed": True, "window": {"open_until": window_until}}
    told = {
        "caller": "crm",
        "face": "cloud",
        "kind": kind,
        "type": type_,
        "category": category,
        "market": "44",
    }
    send_id = str(UUID(int=UUID(key).int + (1 << 64)))
    line = public.get("line", LINE)
    return [
        SendRequested(**rim(**({"send_id": send_id, "decision": decision} | told | public))),
        SendAccepted(**rim(send_id=send_id, attempt=1, dispatched_at=at, message_key=key, line=line)),
    ]


def at(text: str, zone: str = "UTC") -> int:
    """Unix seconds of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())
