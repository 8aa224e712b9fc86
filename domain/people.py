"""Who is who: the rules by which WhatsApp's identifiers are taken for one person.

Identifiers are joined only on WhatsApp's word, and never two persons who each have a business-scoped user
id (BSUID): a phone number that turns up with another BSUID has been given to somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain.facts import Alias, AliasKind, Evidence, Person

_PARENT: Final = re.compile(r"[A-Z]{2}\.ENT\.")
_BRAZIL: Final = re.compile(r"55(\d\d)9([6-9]\d{7})")
_MEXICO: Final = re.compile(r"521(\d{10})")


def of_phone(text: str) -> Alias | None:
    """A phone number as WhatsApp or a caller wrote it, reduced to its digits; None without any."""
    digits = re.sub(r"[^0-9]", "", text)
    return Alias(AliasKind.PHONE, digits) if digits else None


def of_user_id(text: str) -> Alias:
    """A business-scoped user id, or a parent one (`CC.ENT.…`)."""
    return Alias(AliasKind.PARENT if _PARENT.match(text) else AliasKind.BSUID, text)


def canonical(alias: Alias) -> Alias:
    """The one form of an identifier under which it is kept.

    Numbers are equal without evidence in two cases only, frozen here: Brazil's ninth digit
    (55 AA 9XXXXXXXX = 55 AA XXXXXXXX when X begins with 6 to 9) and Mexico's old mobile prefix
    (521 + 10 digits = 52 + 10 digits).
    """
    if alias.kind is not AliasKind.PHONE:
        return alias
    digits = _BRAZIL.sub(r"55\1\2", alias.value) if len(alias.value) == 13 else alias.value  # noqa: PLR2004 - 55 AA 9XXXXXXXX
    if len(digits) == 13:  # noqa: PLR2004 - 521 + 10 digits
        digits = _MEXICO.sub(r"52\1", digits)
    return Alias(AliasKind.PHONE, digits)


@dataclass(frozen=True, slots=True)
class Holder:
    """A person as the directory knows it: the root of all that were linked to it."""

    person_id: UUID
    made: int
    """Smaller is older."""
    has_bsuid: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whose an item is, and what the directory learns from it."""

    root: Holder | None
    """None: a person not known so far."""
    claims: tuple[Alias, ...]
    """Aliases that are this person's from now on, whoever had them."""
    linked: tuple[Holder, ...]
    """Persons who turn out to be the root."""


def resolve(item: Person, holders: Mapping[Alias, Holder]) -> Resolution:
    """Whose `item` is, given who holds its (canonical) aliases; aliases nobody holds are missing there."""
    ordered = sorted(item.aliases, key=lambda alias: _ORDER[alias.kind])
    names_bsuid = any(alias.kind is AliasKind.BSUID for alias in ordered)
    found: list[Holder] = []
    claims: list[Alias] = []
    for alias in ordered:
        holder = holders.get(alias)
        if holder in found:
            continue
        has_bsuid = names_bsuid or any(one.has_bsuid for one in found)
        if holder is None or (alias.kind is not AliasKind.BSUID and _is_another(item, holder, has_bsuid)):
            claims.append(alias)
        else:
            found.append(holder)
    if not found:
        return Resolution(None, tuple(claims), ())
    root, *linked = sorted(found, key=lambda holder: holder.made)
    return Resolution(root, tuple(claims), tuple(linked))


def _is_another(item: Person, holder: Holder, has_bsuid: bool) -> bool:  # noqa: FBT001 - a fact, not an option
    """Whether whoever holds the number is somebody else than the person with the BSUID."""
    return item.evidence is not Evidence.CHANGED and has_bsuid and holder.has_bsuid


_ORDER: Final[Mapping[AliasKind, int]] = {
    AliasKind.BSUID: 0,
    AliasKind.PHONE: 1,
    AliasKind.PARENT: 2,
    AliasKind.OTHER: 3,
}
