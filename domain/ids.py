"""Keyed ids: what the log may show in the open in place of a personal identifier.

Every id is an HMAC-SHA256 under the log's pepper (random per log, stored wrapped, never rotated), cut to
16 bytes and dressed as a UUIDv8 (RFC 9562, section 5.8). Nothing leads back without the pepper.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from uuid import UUID

Part = str | bytes | int | UUID | None


class Ids:
    """Derives keyed ids from parts; the same parts give the same id for the life of the log."""

    def __init__(self, pepper: bytes) -> None:
        """`pepper`: 32 random bytes of the log."""
        # HMAC with the key's own part done once: half of its time for texts as short as ours.
        block = pepper.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(hmac.trans_36))
        self._outer = hashlib.sha256(block.translate(hmac.trans_5C))

    def key(self, purpose: str, *parts: Part) -> UUID:
        """A keyed id for `purpose` ("message", "status", "person", ...) from `parts`.

        Each part goes in with its length, so that ("ab", "c") and ("a", "bc") differ; None differs from "".
        """
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(_framed(purpose) + b"".join(map(_framed, parts)))
        outer.update(inner.digest())
        return UUID(int=int.from_bytes(outer.digest()[:16]) & _RANDOM | _VERSION_8)

    def message(self, message_id: str) -> UUID:
        """The public id of a message, from its wamid (or on-premises id)."""
        return self.key("message-id", message_id)

    def group(self, line: str, group_id: str) -> UUID:
        """The public id of a group on a line."""
        return self.key("group-id", line, group_id)

    def number(self, display_phone_number: str) -> UUID:
        """The public id of a business phone number, by which WhatsApp names a line in some notices."""
        return self.key("number-id", "".join(char for char in display_phone_number if char.isdigit()))

    def participant(self, line: str, person_id: UUID) -> UUID:
        """The public id of a person as a participant of a line's groups."""
        return self.key("participant-id", line, person_id)

    def reference(self, text: str) -> UUID:
        """The public id of a caller's own reference (Idempotency-Key or callback data)."""
        return self.key("reference", text)

    def person_stream(self, line: str, person_id: UUID) -> UUID:
        """The stream of a conversation between a line and a person."""
        return self.key("stream-person", line, person_id)

    def group_stream(self, line: str, group_key: UUID) -> UUID:
        """The stream of a conversation between a line and a group."""
        return self.key("stream-group", line, group_key)

    def line_stream(self, line: str) -> UUID:
        """The stream of what concerns a line but no conversation."""
        return self.key("stream-line", line)

    def account_stream(self, account: str) -> UUID:
        """The stream of what concerns a WhatsApp Business Account (or portfolio) but no line."""
        return self.key("stream-account", account)


_VERSION_8: Final = 0x8 << 76 | 0b10 << 62
_RANDOM: Final = (1 << 128) - 1 & ~(0xF << 76 | 0b11 << 62)


_BLOCK: Final = 64
"""Bytes that SHA-256 works on at a time."""


def _framed(part: Part) -> bytes:
    if isinstance(part, str):
        data = part.encode("utf-8", "surrogatepass")
    elif part is None:
        return b"\xff\xff\xff\xff"
    elif isinstance(part, bytes):
        data = part
    elif isinstance(part, UUID):
        data = part.bytes
    else:
        data = str(part).encode()
    return len(data).to_bytes(4, "big") + data
