"""Whom an item is about: every identifier that WhatsApp names together, in whichever field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from domain import markets
from domain.facts import Alias, AliasKind, Evidence, Person
from domain.inbound import wire
from domain.inbound.wire import Json
from domain.people import of_phone, of_user_id

_WAID: Final = re.compile(r"\bwaid=(\d{5,20})")
_COUNTRY: Final = re.compile(r"[A-Z]{2}\.")

LONGEST: Final = 128
"""Characters of an identifier that is remembered: the same people come again and again."""
REMEMBERED: Final = 50_000


def identifiers(*values: object) -> list[Alias]:
    """Aliases of identifiers as they came: phone numbers, or user ids (also where a number belongs)."""
    return [
        alias
        for value in values
        if value is not None and (found := wire.text(value)) and (alias := _identifier(found)) is not None
    ]


def _identifier(value: str) -> Alias | None:
    return _known_identifier(value) if len(value) <= LONGEST else _of_either(value)


def _of_either(value: str) -> Alias | None:
    return of_user_id(value) if _COUNTRY.match(value) else of_phone(value)


_known_identifier = lru_cache(REMEMBERED)(_of_either)
_known_user_id = lru_cache(REMEMBERED)(of_user_id)


def user_ids(*values: object) -> list[Alias]:
    """Aliases of values that stood in fields for user ids."""
    return [
        _known_user_id(found) if len(found) <= LONGEST else of_user_id(found)
        for value in values
        if value is not None and (found := wire.text(value))
    ]


def person(aliases: Iterable[Alias], evidence: Evidence = Evidence.SEEN) -> Person | None:
    """The person with these aliases; None without any."""
    unique = tuple(dict.fromkeys(aliases))
    return Person(unique, evidence) if unique else None


def contact_of(aliases: Sequence[Alias], contacts: Sequence[Json]) -> Json:
    """The entry of `contacts` about the person with these aliases; an empty one when there is none.

    An item without any identifier is about the only contact there is.
    """
    if not aliases:
        return contacts[0] if len(contacts) == 1 else {}
    if not contacts:
        return {}
    return next((one for one in contacts if not set(_of_contact(one)).isdisjoint(aliases)), {})


def with_contact(aliases: Sequence[Alias], contact: Json) -> list[Alias]:
    """The aliases, and those of other kinds that the matching contact adds.

    Where the two name different identifiers of one kind, the item itself knows best whom it is about.
    """
    if not contact:
        return list(aliases)
    kinds = {alias.kind for alias in aliases}
    return [*aliases, *(alias for alias in _of_contact(contact) if alias.kind not in kinds)]


def _of_contact(contact: Json) -> list[Alias]:
    known = identifiers(contact.get("wa_id"))
    return known + user_ids(contact.get("user_id"), contact.get("parent_user_id"))


def shared_number(item: Json) -> list[Alias]:
    """The sender's own number, in the card that answers our request for it; never somebody's shared card."""
    cards = wire.objects(item.get("contacts"))
    if item.get("origin") != "contact_request" or len(cards) != 1:
        return []
    phones = wire.objects(cards[0].get("phones"))
    named = [one["wa_id"] for one in phones if wire.text(one.get("wa_id"))]
    in_card = _WAID.findall(wire.text(cards[0].get("vcard")) or "")
    written = [
        one["phone"] for one in phones if isinstance(one.get("phone"), str) and one["phone"].startswith("+")
    ]
    for numbers in (named, in_card, written):
        if len(set(numbers)) == 1:
            return identifiers(numbers[0])
    return []


def market_of(aliases: Iterable[Alias]) -> str | None:
    """The market prefix of a person: by the number where one is known, else the user id's country."""
    known: dict[AliasKind, str] = {}
    for kind, value in aliases:
        known.setdefault(kind, value)
    if phone := known.get(AliasKind.PHONE):
        return markets.prefix_of_phone(phone)
    user_id = known.get(AliasKind.BSUID) or known.get(AliasKind.PARENT) or ""
    return markets.prefix_of_bsuid(user_id) if _COUNTRY.match(user_id) else None
