"""A callback as WhatsApp would send it, with one item (webhooks reference, sections 1 and 2)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from domain import callback_data
from domain.events import (
    CallReceived,
    Event,
    MessageReceived,
    StatusReceived,
    UnrecognisedReceived,
)

Json = dict[str, Any]

CALLBACK_DATA: Final = "biz_opaque_callback_data"
_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "live": ("messages", "messages"),
    "echo": ("smb_message_echoes", "message_echoes"),
    "history": ("history", "history"),
    "standby": ("standby", "messages"),
}
"""Field and list of a message by its source, for what was recorded before places were kept."""


def has_item(content: Mapping[str, Any], event: Event) -> bool:
    """Whether the event came from WhatsApp, and so can go out as WhatsApp sent it."""
    if isinstance(event, StatusReceived):
        return True  # one that was asked for is a status as well
    if "body" in content and isinstance(event, UnrecognisedReceived):
        return True
    return "item" in content and ("envelope" in content or _had_a_place(event))


def body(event: Event, content: Json, *, account: str, restored: str | None) -> bytes:
    """The bytes to sign and to post.

    `account`: where none was recorded. `restored`: the caller's own callback data, in place of ours.
    """
    if isinstance(event, UnrecognisedReceived) and "body" in content:
        return base64.b64decode(content["body"])
    item = content.get("item") or _asked_for(content, event)
    if isinstance(event, StatusReceived) and callback_data.read(item.get(CALLBACK_DATA)):
        item = _restored(item, restored)
    place = content.get("envelope") or _place(event, content, account)
    return written(_placed(event, item, place))


def written(callback: Any) -> bytes:
    """JSON as WhatsApp writes it: ASCII only, lowercase hexadecimal escapes, `/` escaped as well."""
    text = json.dumps(callback, ensure_ascii=True, separators=(",", ":"))
    return text.replace("/", "\\/").encode()


def _restored(item: Json, own: str | None) -> Json:
    """The item with the caller's own value, or with none where the caller gave none."""
    kept = {name: value for name, value in item.items() if name != CALLBACK_DATA or own is not None}
    return kept if own is None else kept | {CALLBACK_DATA: own}


def _placed(event: Event, item: Any, place: Json) -> Any:
    reason = event.reason if isinstance(event, UnrecognisedReceived) else None
    if reason == "no entry":
        return item
    if reason == "no changes":
        return {"object": "whatsapp_business_account", "entry": [item]}
    change = item if reason == "no field or value" else _change(item, place, reason)
    entry: Json = {"id": place["account"]}
    if "time" in place:
        entry["time"] = place["time"]
    return {"object": "whatsapp_business_account", "entry": [entry | {"changes": [change]}]}


def _change(item: Any, place: Json, reason: str | None) -> Json:
    field, name = place.get("field"), place.get("list")
    if name is None and reason not in ("unknown key", "not an object"):
        return {"value": item, "field": field}
    value: Json = {"messaging_product": "whatsapp"}
    value |= {key: place[key] for key in ("metadata", "contacts") if key in place}
    if name is None:
        return {"value": value | _in_lists(item, reason), "field": field}
    listed = _in_thread(item, place) if name == "history" and "threads" not in item else item
    return {"value": value | {name: [listed]}, "field": field}


def _in_lists(item: Json, reason: str | None) -> Json:
    return {name: [one] for name, one in item.items()} if reason == "not an object" else item


def _in_thread(item: Json, place: Json) -> Json:
    """A message of a history is one of a thread, which has its customer's name."""
    thread = {"id": item.get("to") or item.get("from"), "messages": [item]}
    chunk = {"metadata": place["chunk"]} if place.get("chunk") else {}
    return chunk | {"threads": [thread]}


def _had_a_place(event: Event) -> bool:
    return isinstance(event, MessageReceived | StatusReceived | CallReceived)


def _place(event: Event, content: Json, account: str) -> Json:
    """Where an item must have stood that was recorded before places were kept."""
    source = getattr(event, "source", "live")
    field, name = _FIELDS.get(source, _FIELDS["live"])
    if isinstance(event, StatusReceived):
        name = "statuses"
    if isinstance(event, CallReceived):
        field, name = "calls", "statuses" if event.event == "status" else "calls"
    place: Json = {"account": account, "field": field, "list": name}
    if event.line:
        place["metadata"] = {"display_phone_number": "", "phone_number_id": event.line}
    if isinstance(event, MessageReceived) and event.direction is None:
        place["contacts"] = [_contact(content)]
    return place


def _contact(content: Json) -> Json:
    named = {"wa_id": content.get("from"), "user_id": content.get("user_id")}
    profile = {"profile": {"name": content["name"]}} if content.get("name") else {}
    return profile | {name: value for name, value in named.items() if value}


def _asked_for(content: Json, event: Event) -> Json:
    """A status that no callback brought: WhatsApp told it when it was asked."""
    told = {
        "id": content.get("message_id"),
        "status": getattr(event, "status", None),
        "timestamp": str(at) if (at := getattr(event, "at", None)) else None,
        "recipient_id": (content.get("recipient") or "").lstrip("+") or None,
        "recipient_user_id": content.get("user_id"),
        CALLBACK_DATA: _carried(event),
    }
    if (code := getattr(event, "code", None)) is not None:
        told["errors"] = [{"code": code, "title": content.get("details") or "Failed"}]
    return {name: value for name, value in told.items() if value is not None}


def _carried(event: Event) -> str | None:
    """Our own callback data, where the send is known: it is replaced by the caller's."""
    send_id = getattr(event, "send_id", None)
    return f"ll1.{send_id.replace('-', '')}.1.0" if send_id else None
