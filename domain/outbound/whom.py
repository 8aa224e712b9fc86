"""Whom a send is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from domain.outbound.request import Dialect, Json, Malformed

_SEPARATED: Final = re.compile(r"[0-9+\-() ]*")
_BSUID: Final = re.compile(r"[A-Z]{2}\..+", re.DOTALL)


def whom(body: Json, dialect: Dialect) -> Mapping[str, str] | Malformed:
    """The one recipient, under the name of its field in SendRequest."""
    to, recipient, recipient_type = (body.get(name) for name in ("to", "recipient", "recipient_type"))
    if recipient_type not in (None, "individual", "group"):
        return Malformed(dialect.wrong, "recipient_type", "recipient_type must be 'individual' or 'group'.")
    if to in (None, ""):
        return _recipient(recipient, dialect, group=recipient_type == "group")
    if not isinstance(to, str):
        return Malformed(dialect.wrong, "to", "to must be a string.")
    return {"group_id": to} if recipient_type == "group" else _phone(to, dialect)


def _phone(to: str, dialect: Dialect) -> Mapping[str, str] | Malformed:
    if _BSUID.fullmatch(to):
        details = "to holds a business-scoped user id; WhatsApp expects that in recipient."
        return Malformed(dialect.wrong, "recipient", details)
    digits = digits_of(to)
    if digits is None:
        details = "to must be a phone number: digits, optionally with + - ( ) and spaces."
        return Malformed(dialect.wrong, "to", details)
    return {"to": digits}


def _recipient(recipient: object, dialect: Dialect, *, group: bool) -> Mapping[str, str] | Malformed:
    if group:
        return Malformed(dialect.missing, "to", "to is required and must be the group id.")
    if recipient in (None, ""):
        return Malformed(dialect.missing, "to", "to (or recipient) is required.")
    if not isinstance(recipient, str) or not _BSUID.fullmatch(recipient):
        details = "recipient must be a business-scoped user id: a country code, a dot and the id."
        return Malformed(dialect.wrong, "recipient", details)
    return {"recipient": recipient}


def digits_of(number: str) -> str | None:
    """The digits of what is written as a phone number; None for what is not."""
    return re.sub(r"[^0-9]", "", number) or None if _SEPARATED.fullmatch(number) else None
