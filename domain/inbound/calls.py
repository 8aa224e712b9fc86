"""Calls and the states of calls (webhooks reference, section 5)."""

from __future__ import annotations

from domain.events import CallReceived
from domain.facts import Alias, Fact, Item
from domain.inbound import whom, wire
from domain.inbound.context import Context
from domain.inbound.wire import Json

BUSINESS = "BUSINESS_INITIATED"


def call(at: Context, item: Json) -> Fact:
    """A call connects or ends."""
    return _fact(at, item, wire.word(item.get("event")) or "unknown", wire.word(item.get("direction")))


def call_status(at: Context, item: Json) -> Fact:
    """What becomes of a call of the business: only those have statuses."""
    return _fact(at, item, "status", BUSINESS)


def _fact(at: Context, item: Json, event: str, direction: str | None) -> Fact:
    named = _customer(item, direction)
    aliases = whom.with_contact(named, whom.contact_of(named, at.contacts))
    subject = whom.person(aliases)
    call_id = wire.text(item.get("id"))
    if call_id is None:
        return at.unrecognised(item, "no id", subject)
    word = wire.word(item.get("status"))
    opens = at.openers.of_call(event, direction, word) if subject and at.source == "live" else None
    public = {
        "call_key": str(at.ids.key("call-id", call_id)),
        "event": event,
        "source": at.source,
        "direction": direction,
        "status": word,
        "opens": opens,
        "market": whom.market_of(aliases),
        **at.times(item.get("timestamp")),
    }
    private = {"call_id": call_id, **{name: item.get(name) for name in ("from", "to")}, "item": item}
    said = wire.text(item.get("status")) if event == "status" else wire.text(item.get("event"))
    key = at.ids.key("call", at.line, call_id, "status" if event == "status" else "event", said, at.source)
    return at.fact(CallReceived, subject or Item(at.account), key, public=public, private=private)


def _customer(item: Json, direction: str | None) -> list[Alias]:
    """The customer calls, or is called; a call that names no direction is taken for the customer's."""
    if direction != BUSINESS:
        ids = whom.user_ids(item.get("from_user_id"), item.get("from_parent_user_id"))
        return whom.identifiers(item.get("from")) + ids
    number = item.get("recipient_id") or item.get("to")
    ids = whom.user_ids(
        item.get("recipient_user_id"), item.get("to_user_id"), item.get("recipient_parent_user_id")
    )
    return whom.identifiers(number) + ids
