"""WhatsApp as the gateway sees it: customers write and call, sends are taken and judged, statuses follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox import (
    ACCESS_TOKEN,
    APP_SECRET,
    DISPLAY_PHONE_NUMBER,
    LINE,
    VERIFY_TOKEN,
    WABA,
    ids,
    wire,
)
from gateway.sandbox.book import Book, Person
from gateway.sandbox.callbacks import Callbacks, Update
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.conversations import Conversation, Tariff
from gateway.sandbox.faults import Faults
from gateway.sandbox.refusal import RE_ENGAGEMENT, RE_ENGAGEMENT_DETAILS
from gateway.sandbox.sends import Send, read


@dataclass(slots=True, eq=False)
class Status:
    """How far a message came, when, and the callback that says so."""

    word: str
    at: datetime
    update: Update


@dataclass(slots=True, eq=False)
class Accepted:
    """A message that WhatsApp answered with 200; `person` is None in a group, and for a BSUID in `to`."""

    message_id: str
    send: Send
    body: Mapping[str, Any]
    person: Person | None
    at: datetime
    statuses: list[Status] = field(default_factory=list)

    def has(self, word: str) -> bool:
        """Whether it came that far."""
        return any(status.word == word for status in self.statuses)


class Simulator:
    """One business phone number of one WhatsApp Business Account."""

    def __init__(
        self,
        *,
        line: str,
        waba: str,
        access_token: str,
        clock: SandboxClock,
        callbacks: Callbacks,
        faults: Faults,
    ) -> None:
        self.line = line
        self.waba = waba
        self.access_token = access_token
        self.clock = clock
        self.callbacks = callbacks
        self.faults = faults
        self.graph_url = ""
        self.accepted: dict[str, Accepted] = {}
        self._book = Book()
        self._conversations: defaultdict[str, Conversation] = defaultdict(Conversation)
        self._tariff = Tariff()
        self._calls: dict[str, str] = {}

    def customer(self, text: str) -> Person:
        """The customer with this phone number or BSUID; ValueError for neither."""
        return self._book.customer(text)

    def write(self, person: Person, item: Mapping[str, Any]) -> tuple[str, Update]:
        """The customer sends the message `item`, which lacks id and time; in a group if it has a group_id."""
        at = self._second()
        message_id = ids.wamid(person.number)
        message = {**wire.sender(person), "id": message_id, "timestamp": wire.seconds(at), **item}
        group = message.get("group_id")
        conversation = self._conversations[group or person.user_id]
        conversation.hear(message, at)
        if group:
            conversation.participants[person.user_id] = person
        who = {} if message["type"] == "system" else {"contacts": [person.contact()]}
        return message_id, self._call_back("messages", {**who, "messages": [message]})

    def call(self, person: Person, item: Mapping[str, Any]) -> tuple[str, Update]:
        """The customer calls or hangs up (`event`), or answers a call of the business (`status` alone)."""
        at = self._second()
        if item.get("event", "connect") == "connect" and person.user_id in self._calls:
            del self._calls[person.user_id]
        call_id = self._calls.setdefault(person.user_id, ids.wacid(person.number))
        about = {"id": call_id, "timestamp": wire.seconds(at)}
        if "event" not in item:
            if item["status"] == "ACCEPTED":
                self._conversations[person.user_id].opened_at = at
            status = about | wire.recipient(person) | {"type": "call", **item}
            return call_id, self._call_back("calls", {"statuses": [status]})
        call = (
            about | wire.sender(person) | {"to": DISPLAY_PHONE_NUMBER, "direction": "USER_INITIATED", **item}
        )
        if call["event"] == "connect" and call["direction"] == "USER_INITIATED":
            self._conversations[person.user_id].opened_at = at
        return call_id, self._call_back("calls", {"contacts": [person.contact()], "calls": [call]})

    def read(self, person: Person, message_id: str | None) -> list[tuple[str, Update]]:
        """The customer reads what was delivered: one message, or all not read yet."""
        unread = [
            message
            for message in self.accepted.values()
            if message.person is person and message.has("delivered") and not message.has("read")
        ]
        chosen = [message for message in unread if message_id in (None, message.message_id)]
        updates = [self._status(message, "read", wire.recipient(person), person) for message in chosen]
        self.callbacks.deliver(updates)
        return [(message.message_id, update) for message, update in zip(chosen, updates, strict=True)]

    def accept(self, body: Mapping[str, Any], *, marketing: bool) -> Accepted:
        """Take a send, and begin to call back what became of it. Raises Refusal."""
        send = read(body, marketing=marketing)
        person = self._recipient(send)
        digits = person.number if person else "".join(char for char in send.given if char.isdigit())
        message = Accepted(ids.wamid(digits[:20]), send, dict(body), person, self.clock.now())
        self.accepted[message.message_id] = message
        self.callbacks.deliver(self._what_becomes(message))
        return message

    def _recipient(self, send: Send) -> Person | None:
        if send.number:
            return self._book.by_number(send.number)
        return self._book.by_user_id(send.user_id) if send.user_id else None

    def _what_becomes(self, message: Accepted) -> list[Update]:
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
        conversation = self._conversations[send.group or people[0].user_id]
        if send.needs_window and not conversation.is_open(message.at):
            failure = {"errors": wire.errors(RE_ENGAGEMENT, RE_ENGAGEMENT_DETAILS)}
            return [self._status(message, "failed", about | failure)]
        if send.type == "reaction":
            return [self._status(message, "sent", about, message.person)]
        return self._delivered(message, conversation, about, people)

    def _delivered(
        self, message: Accepted, conversation: Conversation, about: dict[str, Any], people: list[Person]
    ) -> list[Update]:
        group = message.send.group
        price = self._tariff.price(
            message.send.category, conversation, message.at, copies=len(people), group=group is not None
        )
        start, end = {"pricing": price}, {"pricing": price}
        if price["type"] == "free_entry_point":
            until = conversation.free_entry_until
            start["conversation"] = wire.free_entry_conversation(message.message_id, until)
            end["conversation"] = wire.free_entry_conversation(message.message_id, None)
        updates = [self._status(message, "sent", about | start, message.person)]
        for person in people:
            to = wire.group_recipient(group, person) if group else about
            updates.append(self._status(message, "delivered", to | end, person))
        return updates

    def _status(
        self, message: Accepted, word: str, about: dict[str, Any], contact: Person | None = None
    ) -> Update:
        at = self.clock.now()
        status = {"id": message.message_id, "status": word, "timestamp": wire.seconds(at), **about}
        if message.send.callback_data is not None:
            status["biz_opaque_callback_data"] = message.send.callback_data
        who = {"contacts": [contact.contact()]} if contact else {}
        update = Update(wire.change(self.line, "messages", {**who, "statuses": [status]}))
        message.statuses.append(Status(word, at, update))
        return update

    def _call_back(self, field: str, value: dict[str, Any]) -> Update:
        update = Update(wire.change(self.line, field, value))
        self.callbacks.deliver([update])
        return update

    def _second(self) -> datetime:
        """Now, as exact as WhatsApp tells it."""
        return datetime.fromtimestamp(int(self.clock.now().timestamp()), UTC)


def create_simulator(
    *,
    callback_url: str,
    clock: SandboxClock,
    line: str = LINE,
    waba: str = WABA,
    access_token: str = ACCESS_TOKEN,
    app_secret: str = APP_SECRET,
    verify_token: str = VERIFY_TOKEN,
) -> Simulator:
    """A simulator that calls back to `callback_url`; serve it with `graph.serving`."""
    faults = Faults()
    callbacks = Callbacks(
        callback_url, waba=waba, app_secret=app_secret, verify_token=verify_token, faults=faults
    )
    return Simulator(
        line=line, waba=waba, access_token=access_token, clock=clock, callbacks=callbacks, faults=faults
    )
