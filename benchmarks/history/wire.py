"""Callbacks as WhatsApp writes them (webhooks reference, sections 2 to 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from benchmarks.history.people import Contact, Line

Json = dict[str, Any]

SAID: Final = (
    "Hi, where is my order?",
    "Thank you!",
    "Can I change the delivery address? I have moved last week, and the parcel would go to the old flat.",
    "ok",
    "Is the blue one still there in size 42",
    "¿Tienen servicio los domingos?",
    "मुझे मदद चाहिए 🙏",
    (
        "The parcel came open and one of the two cups is broken. I have photos of the box and the cup, do "
        "you need them? I would rather have a new one than the money, if that is possible before the weekend."
    ),
)
MEDIA: Final = {"mime_type": "image/jpeg", "sha256": "q" * 43 + "=", "id": "1037543291543636"}
CONTENTS: Final[Mapping[str, Json]] = {
    "text": {"text": {"body": SAID[0]}},
    "image": {"image": MEDIA | {"caption": "this one"}},
    "audio": {"audio": MEDIA | {"mime_type": "audio/ogg; codecs=opus", "voice": True}},
    "video": {"video": MEDIA | {"mime_type": "video/mp4"}},
    "document": {"document": MEDIA | {"mime_type": "application/pdf", "filename": "invoice.pdf"}},
    "sticker": {"sticker": MEDIA | {"mime_type": "image/webp", "animated": False}},
    "location": {"location": {"latitude": 51.5, "longitude": -0.12, "name": "Home"}},
    "contacts": {"contacts": [{"name": {"formatted_name": "Bob"}, "phones": [{"phone": "+44 7700 900456"}]}]},
    "button": {"button": {"text": "Yes, please", "payload": "yes"}},
    "order": {
        "order": {
            "catalog_id": "8801",
            "product_items": [
                {"product_retailer_id": "SKU-1", "quantity": 2, "item_price": 12.5, "currency": "GBP"}
            ],
        }
    },
    "interactive:button_reply": {"interactive": {"button_reply": {"id": "b1", "title": "Track it"}}},
    "interactive:list_reply": {"interactive": {"list_reply": {"id": "r3", "title": "Returns"}}},
    "interactive:nfm_reply": {
        "interactive": {"nfm_reply": {"name": "flow", "body": "Sent", "response_json": '{"qty":"2"}'}}
    },
    "interactive:call_permission_reply": {
        "interactive": {
            "call_permission_reply": {"response": "accept", "response_source": "user_action"},
        }
    },
    "reaction": {"reaction": {"message_id": "wamid.reacted", "emoji": "👍"}},
    "edit": {"edit": {"original_message_id": "wamid.edited", "message": {"text": {"body": "ok!"}}}},
    "revoke": {"revoke": {"original_message_id": "wamid.revoked"}},
    "request_welcome": {},
    "unsupported": {"errors": [{"code": 131051, "title": "Message type unknown"}]},
    "payment": {"payment": {"reference": "newer than this release"}},
}
"""What a customer's message holds, by type and subtype."""


def callback(account: str, field: str, value: Json, at: int) -> bytes:
    """The body of a callback with one change."""
    entry = {"id": account, "time": at, "changes": [{"field": field, "value": value}]}
    return orjson.dumps({"object": "whatsapp_business_account", "entry": [entry]})


def about(contact: Contact, field: str, items: Json, at: int) -> bytes:
    """A callback about a customer."""
    value: Json = {"messaging_product": "whatsapp", "metadata": metadata(contact.line)}
    if contact.is_paired:
        named = {"profile": {"name": contact.name}, "wa_id": contact.number, "user_id": contact.user_id}
        value["contacts"] = [named]
    return callback(contact.line.account, field, value | items, at)


def metadata(line: Line) -> Json:
    return {"display_phone_number": line.number, "phone_number_id": line.id}


def message(contact: Contact, message_id: str, kind: str, said: str, at: int) -> Json:
    """A customer's message; `kind` is a key of CONTENTS."""
    type_, _, subtype = kind.partition(":")
    content = {"text": {"body": said}} if kind == "text" else CONTENTS[kind]
    if subtype:
        content = {type_: {"type": subtype} | content[type_]}
    item: Json = {"id": message_id, "timestamp": str(at), "type": type_} | content
    if contact.is_paired:
        item["from"] = contact.number
    return item | {"from_user_id": contact.user_id}


def status(contact: Contact, message_id: str, word: str, at: int, more: Json) -> Json:
    """A status of a message to a customer."""
    item = {"id": message_id, "status": word, "timestamp": str(at), "recipient_id": contact.number}
    if contact.is_paired:
        item["recipient_user_id"] = contact.user_id
    if contact.member:
        item |= {"recipient_type": "group", "recipient_participant_id": contact.member}
    return item | more


def error(code: int) -> Json:
    said = "WhatsApp says here at some length why it did not deliver the message."
    return {"errors": [{"code": code, "title": "Not delivered", "error_data": {"details": said}}]}


def answer(contact: Contact, message_id: str) -> bytes:
    """What WhatsApp answers to a send."""
    whom = {"input": f"+{contact.number}", "wa_id": contact.number}
    if contact.is_paired:
        whom["user_id"] = contact.user_id
    body = {"messaging_product": "whatsapp", "contacts": [whom], "messages": [{"id": message_id}]}
    return orjson.dumps(body)


def rejection(code: int) -> bytes:
    told = {"message": f"(#{code}) Not accepted", "type": "OAuthException", "code": code}
    return orjson.dumps({"error": told | {"error_data": {"details": "why"}, "fbtrace_id": "AbCdEf"}})


def old_thread(contact: Contact, ids: list[str], at: int) -> Json:
    """A chunk of history that a line brings along from the phone app."""
    line = contact.line.number
    messages = [
        {"id": one, "timestamp": str(at - 60 * (nth + 1)), "type": "text", "text": {"body": SAID[nth % 3]}}
        | ({"from": contact.number} if nth % 2 else {"from": line, "to": contact.number})
        for nth, one in enumerate(ids)
    ]
    chunk = {"phase": 0, "chunk_order": 1, "progress": 35}
    return {"history": [{"metadata": chunk, "threads": [{"id": contact.number, "messages": messages}]}]}


def _template(field: str, more: Json) -> tuple[str, Json]:
    named: Json = {
        "message_template_id": 1380000000000001,
        "message_template_name": "winter_sale",
        "message_template_language": "en_GB",
    }
    return field, named | more


NOTICES: Final[tuple[tuple[str, Json], ...]] = (
    _template(
        "message_template_status_update", {"event": "APPROVED", "message_template_category": "UTILITY"}
    ),
    _template(
        "message_template_status_update", {"event": "PAUSED", "message_template_category": "MARKETING"}
    ),
    _template("template_category_update", {"previous_category": "UTILITY", "new_category": "MARKETING"}),
    _template("message_template_quality_update", {"new_quality_score": "YELLOW"}),
    (
        "phone_number_quality_update",
        {"display_phone_number": "15550100001", "event": "UPGRADE", "current_limit": "TIER_100K"},
    ),
    ("account_update", {"event": "ACCOUNT_RESTRICTION"}),
    ("business_capability_update", {"max_daily_conversation_per_phone": 100000}),
    ("newer_than_this_release", {"anything": "at all"}),
)
"""Field and value of callbacks about accounts, lines and templates, and one that nobody understands."""
