"""The people WhatsApp knows: each with a business-scoped user id, most with a phone number."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sandbox import ids


@dataclass(slots=True, eq=False)
class Person:
    """A customer; `wa_id` is None while only the BSUID is known."""

    user_id: str
    wa_id: str | None
    name: str

    @property
    def number(self) -> str:
        """The digits that ids are made of."""
        return self.wa_id or "".join(char for char in self.user_id if char.isdigit())

    def contact(self) -> dict[str, object]:
        """The person in a webhook's `contacts`."""
        known = {"wa_id": self.wa_id} if self.wa_id else {}
        return {"profile": {"name": self.name}, **known, "user_id": self.user_id}


class Book:
    """Looks people up, and makes those it meets for the first time."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}

    def by_number(self, digits: str) -> Person:
        """The person with this phone number, in whichever of its spellings."""
        person = self.by_user_id(ids.bsuid(ids.canonical(digits)))
        if person.wa_id is None:
            person.wa_id = digits
        return person

    def by_user_id(self, user_id: str) -> Person:
        """The person with this BSUID."""
        if user_id not in self._people:
            self._people[user_id] = Person(user_id, None, f"Customer {user_id[-4:]}")
        return self._people[user_id]

    def customer(self, text: str) -> Person:
        """The person with this BSUID or this phone number in digits."""
        return self.by_user_id(text) if ids.BSUID.fullmatch(text) else self.by_number(text)
