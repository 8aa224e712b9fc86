"""What clients can do, and by what it is judged: what WhatsApp accepted, or the value a client got."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from unittest.mock import ANY

PICTURE: Final = bytes(range(256)) * 1000
"""What every client uploads."""


class Told:
    """Equal to a text that holds these words."""

    def __init__(self, *words: str) -> None:
        self._words = words

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and all(word in other for word in self._words)

    def __repr__(self) -> str:
        return f"Told{self._words}"


def holds(expected: Any, found: Any) -> bool:
    """Whether `found` has everything of `expected`, and perhaps more; words in capitals are the same."""
    if isinstance(expected, str) and isinstance(found, str):
        return expected.lower() == found.lower()
    if isinstance(expected, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and holds(value, found[name]) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(found, list) and all(any(holds(one, other) for other in found) for one in expected)
    return bool(expected == found)


def _typed(kind: str, **content: Any) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "to": ANY, "type": kind, kind: content or ANY}


def _interactive(kind: str) -> dict[str, Any]:
    return _typed("interactive", type=kind, action=ANY)


def _template(*components: Mapping[str, Any], name: str = "order_update") -> dict[str, Any]:
    return _typed("template", name=name, language={"code": "en_GB"}, components=[*components])


def _header(kind: str) -> dict[str, Any]:
    return {"type": "header", "parameters": [{"type": kind, kind: ANY}]}


def _button(kind: str, parameter: str) -> dict[str, Any]:
    return {"type": "button", "sub_type": kind, "parameters": [{"type": parameter}]}


_MONEY: Final = {"type": "currency", "currency": {"amount_1000": 9000, "code": "GBP"}}
_TEXT: Final = {"type": "body", "parameters": [{"type": "text", "text": "A-1042"}]}
_NAMED: Final = {"type": "body", "parameters": [{"type": "text", "parameter_name": "order"}]}
_AMOUNT: Final = {"type": "body", "parameters": [_MONEY, {"type": "date_time"}]}

SENDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": _typed("text", body=ANY),
    "reply": _typed("text") | {"context": {"message_id": ANY}},
    "callback data": _typed("text"),
    "image": _typed("image"),
    "video": _typed("video"),
    "audio": _typed("audio"),
    "voice": _typed("audio", voice=True),
    "document": _typed("document"),
    "sticker": _typed("sticker"),
    "location": _typed("location", latitude=51.5, longitude=-0.12),
    "contacts": _typed("contacts"),
    "reaction": _typed("reaction", message_id=ANY),
    "reaction removed": _typed("reaction", emoji=""),
    "buttons": _interactive("button"),
    "list": _interactive("list"),
    "link button": _interactive("cta_url"),
    "flow": _interactive("flow"),
    "product": _interactive("product"),
    "products": _interactive("product_list"),
    "catalogue": _interactive("catalog_message"),
    "carousel": _interactive("carousel"),
    "location request": _interactive("location_request_message"),
    "contact request": _interactive("request_contact_info"),
    "address request": _interactive("address_message"),
    "call permission request": _interactive("call_permission_request"),
    "call button": _interactive("voice_call"),
    "template text": _template(_TEXT),
    "template that is known": _typed("template", name="appointment"),
    "template named text": _template(_NAMED),
    "template amount and date": _template(_AMOUNT),
    "template image": _template(_header("image")),
    "template video": _template(_header("video")),
    "template document": _template(_header("document")),
    "template location": _template(_header("location")),
    "template product": _template(_header("product")),
    "template quick reply": _template(_button("quick_reply", "payload")),
    "template link": _template(_button("url", "text")),
    "template copy code": _template(_button("copy_code", "coupon_code")),
    "template flow": _template(_button("flow", "action")),
    "template catalogue": _template(_button("catalog", "action")),
    "template products": _template(_button("mpm", "action")),
    "template offer": _template({"type": "limited_time_offer", "parameters": ANY}),
    "template tap target": _template({"type": "tap_target_configuration", "parameters": ANY}),
    "template carousel": _template({"type": "carousel", "cards": ANY}),
    "template code": _template(_button("url", "text"), name="login_code"),
    "template of the old API": _template(_TEXT),
    "marketing message": _typed("template", name="winter_sale"),
    "any message": _typed("text"),
}
"""What WhatsApp must have accepted, beside anything else in the body."""


def _among(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and set(names) <= set(value)


def _success(value: Any) -> bool:
    return value is True or value == {"success": True}


def _media_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d+", value) is not None


CALLS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "read": _success,
    "typing": _success,
    "media upload": _media_id,
    "media look-up": lambda value: isinstance(value, str) and "/media/" in value,
    "media download": hashlib.sha256(PICTURE).hexdigest().__eq__,
    "media delete": _success,
    "phone numbers": _among("15550783881"),
    "phone number": "15550783881".__eq__,
    "profile": lambda value: holds({"about": "Sandbox", "vertical": "OTHER"}, value),
    "profile change": _success,
    "templates": _among("appointment"),
    "template create": "PENDING".__eq__,
    "template look-up": "PENDING".__eq__,
    "template change": _success,
    "template delete": _success,
    "flows": _among("Booking"),
    "flow create": _media_id,
    "flow change": _success,
    "flow upload": _success,
    "flow assets": _among("flow.json"),
    "flow publish": _success,
    "flow look-up": "PUBLISHED".__eq__,
    "flow deprecate": _success,
    "flow delete": _success,
    "block": lambda value: holds({"added_users": [{"wa_id": "447700900123"}]}, value),
    "blocked": _among("447700900123"),
    "unblock": lambda value: holds({"removed_users": [{"wa_id": "447700900123"}]}, value),
    "register": _success,
    "deregister": _success,
    "broadcast": lambda value: isinstance(value, list) and len(value) == 2,
    "log in": "sandbox-key".__eq__,
    "log out": _success,
    "check contacts": _among("447700900123"),
    "health": "connected".__eq__,
}
"""Whether what the client got is right."""

CHANGES: Final = frozenset(
    {"media upload", "media delete", "profile change", "template create", "template change"}
    | {"template delete", "flow create", "flow change", "flow upload", "flow publish", "flow deprecate"}
    | {"flow delete", "block", "unblock", "register", "deregister"}
)
"""What leaves a notice in the log."""

RECEIVES: Final[Mapping[str, tuple[str, tuple[str | int, ...]]]] = {
    "text": ("inbound_text", ("text", "body")),
    "emoji and umlauts": ("inbound_text_unicode_emoji", ("text", "body")),
    "image": ("inbound_image", ("image", "id")),
    "voice": ("inbound_audio_voice_note", ("audio", "id")),
    "video": ("inbound_video", ("video", "id")),
    "document": ("inbound_document", ("document", "id")),
    "sticker": ("inbound_sticker", ("sticker", "id")),
    "location": ("inbound_location", ("location", "latitude")),
    "contacts": ("inbound_contacts", ("contacts", 0, "name", "formatted_name")),
    "reaction": ("inbound_reaction_added", ("reaction", "emoji")),
    "button": ("inbound_interactive_button_reply", ("interactive", "button_reply", "id")),
    "list choice": ("inbound_interactive_list_reply", ("interactive", "list_reply", "id")),
    "quick reply": ("inbound_button_template_quick_reply", ("button", "payload")),
    "flow answer": (
        "inbound_interactive_nfm_reply_flow",
        ("interactive", "nfm_reply", "response_json", "flow_token"),
    ),
    "order": ("inbound_order", ("order", "catalog_id")),
    "delivered": ("status_delivered_pmp_marketing_regular", ("status",)),
    "read": ("status_read_pmp_no_pricing", ("status",)),
    "failed with 131047": ("status_failed_131047", ("errors", 0, "code")),
}
"""The callback of the reference, and what of it has to be seen."""

ALSO_RECEIVES: Final = ("verification", "wrong signature", "batch of ten")
