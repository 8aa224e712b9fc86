"""Signatures: WhatsApp's own (`X-Hub-Signature-256`), and Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from domain.destinations.model import Format

PREFIX: Final = "whsec_"
SHORTEST: Final = 24
LONGEST: Final = 64
"""Bytes of a secret, as Standard Webhooks has it."""


def made_secret(random: bytes) -> str:
    """A secret in Standard Webhooks' form, from 24 to 64 random bytes."""
    return PREFIX + base64.b64encode(random).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a `whsec_` secret. ValueError says what would be right."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(f"{PREFIX} and {SHORTEST} to {LONGEST} bytes in base64")
    return key


def of(form: Format, body: bytes, secrets: Sequence[str], event_id: str, now: datetime) -> Mapping[str, str]:
    """The headers that sign a delivery in a format."""
    if form == "whatsapp":
        return of_whatsapp(body, secrets)
    return of_standard_webhooks(body, secrets, event_id, now)


def of_whatsapp(body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """WhatsApp signs with one secret, so the newest signs."""
    mac = hmac.new(secrets[0].encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={mac}"}


def of_standard_webhooks(
    body: bytes, secrets: Sequence[str], event_id: str, now: datetime
) -> Mapping[str, str]:
    """One signature for each valid secret; a receiver takes any that it knows."""
    at = str(int(now.timestamp()))
    signed = b".".join((event_id.encode(), at.encode(), body))
    macs = [hmac.digest(key_of(secret), signed, "sha256") for secret in secrets]
    signatures = " ".join("v1," + base64.b64encode(mac).decode() for mac in macs)
    return {"webhook-id": event_id, "webhook-timestamp": at, "webhook-signature": signatures}
