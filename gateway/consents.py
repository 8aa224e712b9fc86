"""A consent that our own side tells of: by the API, or in a file from before the gateway."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from domain import consent as consents
from domain.consent import Category, Value
from domain.events import ConsentChanged
from domain.facts import Alias, Fact, Person
from domain.ids import Ids
from domain.inbound.wire import AHEAD
from domain.people import canonical, of_phone, of_user_id

_NUMBER: Final = re.compile(r"\+?[0-9]{5,20}")
_USER_ID: Final = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]{1,128}")

VALUES: Final[Mapping[str, Value]] = {"stop": "stop", "resume": "resume"}


class NoConsentError(ValueError):
    """`field` of what was told is wrong; the text says what would be right."""

    def __init__(self, field: str, right: str) -> None:
        super().__init__(f"{field} must be {right}")
        self.field = field
        self.right = right


@dataclass(frozen=True, slots=True)
class Told:
    """A person's choice, with its proof."""

    category: Category
    value: Value
    at: datetime
    proof: Mapping[str, str] = field(repr=False)
    """source, text and by, in the words of whoever tells."""


def told(given: Mapping[str, object], now: datetime) -> Told:
    """What the fields category, value, at, source, text and by tell; raises NoConsentError.

    Only a stop needs no proof.
    """
    category, value = given.get("category"), given.get("value")
    if not isinstance(category, str) or category not in consents.CATEGORIES:
        raise NoConsentError("category", "marketing or all")
    if not isinstance(value, str) or value not in VALUES:
        raise NoConsentError("value", "stop or resume")
    proof = {name: given[name] for name in ("source", "text", "by") if given.get(name) not in (None, "")}
    for name in ("source", "text"):
        if value == "resume" and name not in proof:
            raise NoConsentError(name, "given: where the person agreed, and to which words")
    texts = {name: one for name, one in proof.items() if isinstance(one, str)}
    for name in proof.keys() - texts.keys():
        raise NoConsentError(name, "a text")
    return Told(consents.CATEGORIES[category], VALUES[value], _moment(given.get("at"), now), texts)


def _moment(value: object, now: datetime) -> datetime:
    right = "a time with a zone, such as 2026-11-23T09:30:00Z, and not in the future"
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is None or at.tzinfo is None or at.timestamp() > now.timestamp() + AHEAD or at.timestamp() < 0:
            raise NoConsentError("at", right)
    except (ValueError, OverflowError):
        raise NoConsentError("at", right) from None
    return at


def person(contact: str) -> Alias | None:
    """The person whom a phone number (digits, with or without plus) or a user id names."""
    if _NUMBER.fullmatch(contact):
        return of_phone(contact)
    return of_user_id(contact) if _USER_ID.fullmatch(contact) else None


def fact(
    one: Told, alias: Alias, *, line: str, source: Literal["api", "import"], by: str, ids: Ids, now: datetime
) -> Fact:
    """The event; the same choice told again, by whichever line or way, is the same event."""
    at = int(one.at.timestamp())
    known = canonical(alias)
    key = ids.key("consent", known.kind, known.value, one.category, one.value, at, *_words(one))
    public = {
        "category": one.category,
        "value": one.value,
        "source": source,
        "at": at,
        "at_used": at,
        "by": by,
    }
    return Fact(
        ConsentChanged, line, Person((alias,)), key, now, public, {"contact": alias.value, **one.proof}
    )


def _words(one: Told) -> list[str | None]:
    return [one.proof.get(name) for name in ("source", "text")]
