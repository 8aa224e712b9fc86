"""The changes that WhatsApp's callbacks are made of (webhooks, sections 2 to 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.sandbox import DISPLAY_PHONE_NUMBER
from gateway.sandbox.book import Person
from gateway.sandbox.refusal import TITLES
from gateway.sandbox.templates import Template

HELP: Final = "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"


def change(line: str, field: str, value: dict[str, Any]) -> dict[str, Any]:
    """One entry of `changes`."""
    metadata = {"display_phone_number": DISPLAY_PHONE_NUMBER, "phone_number_id": line}
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}


def template_changes(before: Template, after: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Field and value of each change that WhatsApp calls back about a template."""
    about = {
        "message_template_id": after.id,
        "message_template_name": after.name,
        "message_template_language": after.language,
    }
    if after.status != before.status:
        status = {
            "event": after.status,
            "reason": "NONE",
            "message_template_category": after.category.upper(),
        }
        yield "message_template_status_update", about | status
    if after.category != before.category:
        words = {"previous_category": before.category.upper(), "new_category": after.category.upper()}
        yield "template_category_update", about | words


def sender(person: Person) -> dict[str, str]:
    """Who wrote or called."""
    return ({"from": person.wa_id} if person.wa_id else {}) | {"from_user_id": person.user_id}


def recipient(person: Person) -> dict[str, Any]:
    """Whom a status is about."""
    number = {"recipient_id": person.wa_id} if person.wa_id else {}
    return number | {"recipient_user_id": person.user_id}


def group_recipient(group: str, participant: Person | None) -> dict[str, Any]:
    """The group a status is about, and which of its people."""
    about = {"recipient_id": group, "recipient_type": "group"}
    if participant is not None:
        if participant.wa_id:
            about["recipient_participant_id"] = participant.wa_id
        about["recipient_participant_user_id"] = participant.user_id
    return about


def errors(code: int, details: str) -> list[dict[str, Any]]:
    """`errors` of a failed status."""
    title = TITLES.get(code, "Error")
    return [
        {"code": code, "title": title, "message": title, "error_data": {"details": details}, "href": HELP}
    ]


def free_entry_conversation(message_id: str) -> dict[str, Any]:
    """`conversation` in a free entry point."""
    return {"id": message_id[-32:], "origin": {"type": "referral_conversion"}}
