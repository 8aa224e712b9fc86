"""Where an item stood in a callback, and what every fact made of it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.consent_words import DEFAULT_WORDS, ConsentWords
from domain.events import Event, UnrecognisedReceived
from domain.facts import Account, Fact, Item, Line, Person, Subject
from domain.ids import Ids
from domain.inbound import whom, wire
from domain.inbound.wire import Json
from domain.openers import Openers


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one item."""

    ids: Ids
    openers: Openers
    recorded_at: datetime
    words: ConsentWords = DEFAULT_WORDS
    account: str = "unknown"
    """Id of the WhatsApp Business Account, or of the portfolio."""
    time: int | None = None
    """Of the entry."""
    field: str | None = None
    """As WhatsApp wrote it; `public_field` is fit for the open."""
    line: str | None = None
    """phone_number_id; None for what concerns the whole account."""
    source: str = "live"
    """live, echo, history or standby."""
    contacts: Sequence[Json] = ()
    """The people whom the value names."""
    metadata: Json | None = None
    """The line as WhatsApp names it."""
    list_name: str | None = None
    """The list of the value that the item stood in; None where the value is the item."""
    chunk: Json | None = None
    """Of a history: what its chunk says of itself."""

    @property
    def public_field(self) -> str:
        """The field's name in the open."""
        return wire.word(self.field) or "unknown"

    def of_entry(self, account: str, time: int | None) -> Context:
        """The place of what an entry holds."""
        return Context(self.ids, self.openers, self.recorded_at, self.words, account, time)

    def inside(self, field: str, value: Json, source: str) -> Context:
        """The place of the items of a field's value."""
        return Context(
            self.ids,
            self.openers,
            self.recorded_at,
            self.words,
            self.account,
            self.time,
            field,
            line=wire.object_id(wire.inner(value, "metadata").get("phone_number_id")),
            source=source,
            contacts=wire.objects(value.get("contacts")),
            metadata=wire.inner(value, "metadata") or None,
        )

    def in_list(self, name: str, chunk: Json | None = None) -> Context:
        """The place of the items of one of the value's lists, or of a history's chunk."""
        return Context(
            self.ids,
            self.openers,
            self.recorded_at,
            self.words,
            self.account,
            self.time,
            self.field,
            self.line,
            self.source,
            self.contacts,
            self.metadata,
            name,
            chunk,
        )

    def times(self, timestamp: object) -> Json:
        """`at` and `at_used` of an event; the entry's time when the item has none."""
        at = wire.seconds(timestamp)
        if at is None:
            at = self.time
        return {"at": at, "at_used": wire.at_used(at, self.recorded_at)}

    def fact(
        self,
        event: type[Event],
        subject: Subject,
        key: UUID,
        *,
        public: Json,
        private: Json,
        group_id: str | None = None,
    ) -> Fact:
        """A fact of this place; with an item goes where it stood, so that it can be put there again."""
        private = wire.without_none(private)
        if "item" in private:
            private["envelope"] = self._envelope(subject)
        public = wire.without_none(public)
        return Fact(event, self.line, subject, key, self.recorded_at, public, private, group_id)

    def _envelope(self, subject: Subject) -> Json:
        """Where an item stood; of the contacts only its own, since others' data is under other keys."""
        own: Json = {}
        if isinstance(subject, Person | Item):
            aliases = subject.aliases if isinstance(subject, Person) else ()
            own = whom.contact_of(aliases, self.contacts)
        return wire.without_none(
            {
                "account": self.account,
                "time": self.time,
                "field": self.field,
                "list": self.list_name,
                "metadata": self.metadata,
                "contacts": [own] if own else None,
                "chunk": self.chunk,
            }
        )

    def content_key(self, item: Any) -> UUID:
        """The key of an item that has no id: its content, entry, field and time."""
        return self.ids.key("item", self.account, self.field, self.time, wire.canonical(item))

    def unrecognised(self, item: Any, reason: str, subject: Subject | None = None) -> Fact:
        """Keep an item that is not understood; under a key of its own where it identifies nobody."""
        public = {"reason": reason, "field": self.public_field, "account": self.account}
        subject = subject or Item(self.account)
        return self.fact(
            UnrecognisedReceived, subject, self.content_key(item), public=public, private={"item": item}
        )

    def owner(self) -> Subject:
        """Whose an item about no person is."""
        return Line() if self.line else Account(self.account)
