"""The simulated WhatsApp: what has happened decides what is called back. No clock, no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.sandbox import DISPLAY_PHONE_NUMBER, wire
from gateway.sandbox.book import Book, Person
from gateway.sandbox.callbacks import Update
from gateway.sandbox.conversations import Conversation, Tariff
from gateway.sandbox.happenings import Called, TemplateBecame, TemplateMade, WasAccepted, WasRead, Wrote
from gateway.sandbox.refusal import ASKED_FOR, RE_ENGAGEMENT, RE_ENGAGEMENT_DETAILS
from gateway.sandbox.sends import DIRECT_SEND_TYPES, Send, read
from gateway.sandbox.templates import CATEGORIES, Template, catalogue

DIRECT_SEND_TEMPLATE: Final = "794000000000001"


@dataclass(slots=True, eq=False)
class Status:
    """How far a message came, when, and the callback that says so."""

    word: str
    at: int
    update: Update


@dataclass(slots=True, eq=False)
class Accepted:
    """A message that WhatsApp answered with 200; `person` is None in a group, and for a BSUID in `to`."""

    message_id: str
    send: Send
    body: Mapping[str, Any]
    person: Person | None
    at: int
    statuses: list[Status] = field(default_factory=list)

    def has(self, word: str) -> bool:
        """Whether it came that far."""
        return any(status.word == word for status in self.statuses)


class Network:
    """One line's customers, conversations and messages: a fold of happenings."""

    def __init__(self, line: str) -> None:
        self.book = Book()
        self.accepted: dict[str, Accepted] = {}
        self.calls: dict[str, str] = {}
        self.updates: list[Update] = []
        self.templates = catalogue()
        self._line = line
        self._conversations: defaultdict[str, Conversation] = defaultdict(Conversation)
        self._tariff = Tariff()
        self._apply: Mapping[type, Callable[[Any], list[Update]]] = {
            Wrote: self._wrote,
            Called: self._called,
            WasRead: self._read,
            WasAccepted: self._accepted,
            TemplateBecame: self._template_became,
            TemplateMade: self._template_made,
        }

    def apply(
        self, happening: Wrote | Called | WasRead | WasAccepted | TemplateBecame | TemplateMade
    ) -> list[Update]:
        """Take in what happened; gives what is to be called back, in order."""
        return self._apply[type(happening)](happening)

    def _wrote(self, wrote: Wrote) -> list[Update]:
        person = self.book.customer(wrote.customer)
        person.name = wrote.name or person.name
        given = {"id": wrote.message_id, "timestamp": str(wrote.at)}
        message = {**wire.sender(person), **given, **wrote.item}
        group = message.get("group_id")
        conversation = self._conversations[group or person.user_id]
        conversation.hear(message, wrote.at)
        if group:
            conversation.participants[person.user_id] = person
        who = {} if message["type"] == "system" else {"contacts": [person.contact()]}
        return [self._update("messages", {**who, "messages": [message]})]

    def _called(self, called: Called) -> list[Update]:
        person = self.book.customer(called.customer)
        item = called.item
        self.calls[person.user_id] = called.call_id
        about = {"id": called.call_id, "timestamp": str(called.at)}
        if "event" not in item:
            if item["status"] == "ACCEPTED":
                self._conversations[person.user_id].opened_at = called.at
            status = {**about, **wire.recipient(person), "type": "call", **item}
            return [self._update("calls", {"statuses": [status]})]
        call = {
            **about,
            **wire.sender(person),
            "to": DISPLAY_PHONE_NUMBER,
            "direction": "USER_INITIATED",
            **item,
        }
        if call["event"] == "connect" and call["direction"] == "USER_INITIATED":
            self._conversations[person.user_id].opened_at = called.at
        return [self._update("calls", {"contacts": [person.contact()], "calls": [call]})]

    def _read(self, was_read: WasRead) -> list[Update]:
        person = self.book.customer(was_read.customer)
        messages = [self.accepted[message_id] for message_id in was_read.message_ids]
        about = wire.recipient(person)
        return [self._status(message, "read", was_read.at, about, person) for message in messages]

    def _accepted(self, accepted: WasAccepted) -> list[Update]:
        send = read(accepted.body, self.templates, marketing=accepted.marketing)
        person = self.recipient(send)
        message = Accepted(accepted.message_id, send, accepted.body, person, accepted.at)
        self.accepted[message.message_id] = message
        return self._what_becomes(message, accepted.fails_with)

    def _template_became(self, became: TemplateBecame) -> list[Update]:
        updates: list[Update] = []
        for before in [one for one in self.templates.values() if one.name == became.name]:
            after = replace(
                before,
                status=became.status or before.status,
                category=CATEGORIES[became.category] if became.category else before.category,
            )
            self.templates[before.name, before.language] = after
            updates += [self._of_account(*told) for told in wire.template_changes(before, after)]
        return updates

    def _template_made(self, made: TemplateMade) -> list[Update]:
        """Nothing is called back of it: WhatsApp answers the one who made it."""
        before = self.templates.get((made.name, made.language))
        self.templates[made.name, made.language] = Template(
            made.name,
            made.language,
            CATEGORIES[made.category],
            before.number if before else len(self.templates) + 1,
            status="PENDING",
            components=made.components,
            parameter_format="NAMED" if made.parameter_format == "NAMED" else "POSITIONAL",
        )
        return []

    def recipient(self, send: Send) -> Person | None:
        """Whom a send reaches; None for a group, and for a BSUID in `to`."""
        if send.number:
            return self.book.by_number(send.number)
        return self.book.by_user_id(send.user_id) if send.user_id else None

    def _what_becomes(self, message: Accepted, fails_with: int | None) -> list[Update]:
        """The statuses of a message; none for a BSUID in `to`, which WhatsApp drops silently."""
        send = message.send
        if send.group:
            about = wire.group_recipient(send.group, None)
            people = list(self._conversations[send.group].participants.values())
        elif message.person:
            about = wire.recipient(message.person)
            people = [message.person]
        else:
            return []
        if fails_with is not None:
            failure = {"errors": wire.errors(fails_with, ASKED_FOR)}
            return [self._status(message, "failed", message.at, about | failure)]
        conversation = self._conversations[send.group or people[0].user_id]
        if send.needs_window and not conversation.is_open(message.at):
            failure = {"errors": wire.errors(RE_ENGAGEMENT, RE_ENGAGEMENT_DETAILS)}
            return [self._status(message, "failed", message.at, about | failure)]
        if send.type == "reaction":
            return [self._status(message, "sent", message.at, about, message.person)]
        return self._delivered(message, conversation, about, people)

    def _delivered(
        self, message: Accepted, conversation: Conversation, about: dict[str, Any], people: list[Person]
    ) -> list[Update]:
        at, group = message.at, message.send.group
        price = self._tariff.price(
            message.send.category, conversation, at, copies=len(people), group=group is not None
        )
        more: dict[str, Any] = {"pricing": price}
        start: dict[str, Any] = {}
        if price["type"] == "free_entry_point":
            more["conversation"] = wire.free_entry_conversation(message.message_id)
            ends = str(conversation.free_entry_until)
            start["conversation"] = more["conversation"] | {"expiration_timestamp": ends}
        if message.send.type in DIRECT_SEND_TYPES and not message.send.needs_window:
            more["template_id"] = DIRECT_SEND_TEMPLATE
        updates = [self._status(message, "sent", at, about | more | start, message.person)]
        for person in people:
            to = wire.group_recipient(group, person) if group else about
            updates.append(self._status(message, "delivered", at, to | more, person))
        return updates

    def _status(
        self, message: Accepted, word: str, at: int, about: dict[str, Any], contact: Person | None = None
    ) -> Update:
        status = {"id": message.message_id, "status": word, "timestamp": str(at), **about}
        if message.send.callback_data is not None:
            status["biz_opaque_callback_data"] = message.send.callback_data
        who = {"contacts": [contact.contact()]} if contact else {}
        update = self._update("messages", {**who, "statuses": [status]})
        message.statuses.append(Status(word, at, update))
        return update

    def _update(self, field: str, value: dict[str, Any]) -> Update:
        return self._called_back(wire.change(self._line, field, value))

    def _of_account(self, field: str, value: dict[str, Any]) -> Update:
        return self._called_back({"field": field, "value": value})

    def _called_back(self, change: dict[str, Any]) -> Update:
        update = Update(len(self.updates), change)
        self.updates.append(update)
        return update
