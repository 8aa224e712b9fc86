"""The on-premises API's contact check, which the Cloud API lacks: how a number is written decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from domain.outbound.body import json_object
from domain.outbound.request import ONPREM, Malformed
from domain.outbound.whom import digits_of


@dataclass(frozen=True, slots=True)
class ContactCheck:
    """A well-formed check."""

    contacts: tuple[str, ...] = field(repr=False)
    waits: bool
    """False: its caller expects to ask again."""


def parse(body: bytes) -> ContactCheck | Malformed:
    """What a POST to `/v1/contacts` asks for (on-premises reference, section 2)."""
    parsed = json_object(body, ONPREM)
    if isinstance(parsed, Malformed):
        return parsed
    if parsed.get("blocking") not in (None, "wait", "no_wait"):
        return Malformed(ONPREM.wrong, "blocking", "blocking must be 'wait' or 'no_wait'.")
    if parsed.get("force_check") not in (None, True, False):
        return Malformed(ONPREM.wrong, "force_check", "force_check must be true or false.")
    contacts = parsed.get("contacts")
    if contacts is None:
        return Malformed(ONPREM.missing, "contacts", "contacts is required: a list of phone numbers.")
    if not isinstance(contacts, list) or not all(isinstance(contact, str) for contact in contacts):
        return Malformed(ONPREM.wrong, "contacts", "contacts must be a list of strings, each a phone number.")
    return ContactCheck(tuple(contacts), waits=parsed.get("blocking") == "wait")


def result(check: ContactCheck) -> list[dict[str, Any]]:
    """The `contacts` of the answer, in the order asked.

    `wa_id` is the number's own digits: WhatsApp may know the person by others, and says so when a send is
    accepted.
    """
    return [_result(contact, "valid" if check.waits else "processing") for contact in check.contacts]


def _result(contact: str, status: str) -> dict[str, Any]:
    digits = digits_of(contact)
    if digits is None:
        return {"input": contact, "status": "invalid"}
    return {"input": contact, "status": status, "wa_id": digits}
