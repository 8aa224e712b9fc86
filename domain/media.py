"""Which messages bring a file, and what WhatsApp says of it (webhooks reference, section 3)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from domain.events import Event, MessageReceived
from domain.inbound import wire

TYPES: Final = frozenset({"image", "video", "audio", "voice", "document", "sticker"})
LIMIT: Final = 100 * 1024 * 1024
"""Bytes; what is larger WhatsApp does not hand over (Cloud API reference, section 8)."""
HELD: Final = timedelta(days=7)
"""How long WhatsApp gives a new address for the id of a file that came in (section 8)."""

_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_SHA256: Final = 32


@dataclass(frozen=True, slots=True)
class Media:
    """A file that somebody sent."""

    id: str
    sha256: str | None
    """In lower-case hex; None where WhatsApp gave none that can be read."""
    mime_type: str | None
    filename: str | None


def brings_media(event: Event) -> bool:
    """Whether a customer sent a file with it, as far as its public facts tell."""
    return (
        isinstance(event, MessageReceived)
        and event.type in TYPES
        and event.direction is None
        and event.source != "import"
    )


def of_item(item: Any) -> Media | None:
    """The file of a message as it came; None where it names none (`undownloaded`, only a link)."""
    type_ = wire.text(item.get("type")) if isinstance(item, dict) else None
    about = wire.inner(item, type_) if type_ in TYPES else {}
    media_id = wire.text(about.get("id"))
    if not media_id:
        return None
    return Media(
        media_id,
        digest(about.get("sha256")),
        wire.text(about.get("mime_type")),
        wire.text(about.get("filename")),
    )


def digest(value: object) -> str | None:
    """A SHA-256 in hex, given in hex or base64: WhatsApp writes both."""
    if not isinstance(value, str):
        return None
    if _HEX.fullmatch(value):
        return value.lower()
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data.hex() if len(data) == _SHA256 else None
