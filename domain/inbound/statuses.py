"""Statuses of outbound messages (webhooks reference, section 4)."""

from __future__ import annotations

from typing import Final

from domain import callback_data
from domain.events import StatusReceived
from domain.facts import Alias, Fact, Group, Item, Subject
from domain.inbound import whom, wire
from domain.inbound.context import Context
from domain.inbound.wire import Json

_PRICING: Final = (
    ("model", "pricing_model"),
    ("type", "type"),
    ("category", "category"),
    ("subtype", "subtype"),
)
"""Words of the pricing object: ours, and WhatsApp's."""


def status(at: Context, item: Json) -> Fact:
    """One status, of a message to a person, to a group, or to one of a group's participants."""
    message_id = wire.text(item.get("id"))
    group_id = wire.text(item.get("recipient_id")) if item.get("recipient_type") == "group" else None
    named = _participant(item) if group_id else _recipient(item)
    aliases = named if group_id else whom.with_contact(named, whom.contact_of(named, at.contacts))
    subject: Subject = whom.person(aliases) or (Group(group_id) if group_id else Item(at.account))
    if message_id is None:
        return at.unrecognised(item, "no id", subject)
    ours = callback_data.read(item.get("biz_opaque_callback_data"))
    public = {
        "message_key": str(at.ids.message(message_id)),
        "status": wire.word(item.get("status")) or "unknown",
        "source": at.source,
        "send_id": str(ours.send_id) if ours else None,
        "attempt": ours.attempt if ours else None,
        "dispatched_at": ours.dispatched_at if ours else None,
        "code": wire.code(item.get("errors")),
        "pricing": _pricing(item),
        "conversation": _conversation(at, item),
        "market": whom.market_of(aliases),
        **at.times(item.get("timestamp")),
    }
    private = {
        "message_id": message_id,
        "recipient": item.get("recipient_id"),
        "user_id": item.get("recipient_user_id"),
        "details": _details(item),
        "item": item,
    }
    who = "|".join(alias.value for alias in named) if group_id else None
    word = wire.text(item.get("status"))
    key = at.ids.key("status", at.line, message_id, word, who, at.source, wire.canonical(item))
    return at.fact(StatusReceived, subject, key, public=public, private=private, group_id=group_id)


def _recipient(item: Json) -> list[Alias]:
    parent = item.get("recipient_parent_user_id") or item.get("parent_recipient_user_id")
    ids = whom.user_ids(item.get("recipient_user_id"), parent)
    return whom.identifiers(item.get("recipient_id")) + ids


def _participant(item: Json) -> list[Alias]:
    number = item.get("recipient_participant_id") or item.get("participant_recipient_id")
    ids = whom.user_ids(
        item.get("recipient_participant_user_id"), item.get("recipient_participant_parent_user_id")
    )
    return whom.identifiers(number) + ids


def _pricing(item: Json) -> Json | None:
    pricing = wire.inner(item, "pricing")
    told: Json = {}
    for ours, theirs in _PRICING:
        if (said := wire.word(pricing.get(theirs))) is not None:
            told[ours] = said
    if isinstance(pricing.get("billable"), bool):
        told["billable"] = pricing["billable"]
    return told or None


def _conversation(at: Context, item: Json) -> Json | None:
    conversation = wire.inner(item, "conversation")
    if not conversation:
        return None
    conversation_id = wire.text(conversation.get("id"))
    told = {
        "key": str(at.ids.key("conversation-id", conversation_id)) if conversation_id else None,
        "origin": wire.word(wire.inner(conversation, "origin").get("type")),
        "expires_at": wire.seconds(conversation.get("expiration_timestamp")),
    }
    return wire.without_none(told) or None


def _details(item: Json) -> str | None:
    errors = wire.objects(item.get("errors"))
    if not errors:
        return None
    first = errors[0]
    return wire.text(wire.inner(first, "error_data").get("details")) or wire.text(first.get("title"))
