"""What customers and the business do with each other: one episode after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain, cycle, repeat
from random import Random
from typing import Final

from benchmarks.history import wire
from benchmarks.history.agenda import Agenda
from benchmarks.history.business import Business, Order
from benchmarks.history.people import ACCOUNTS, Contact, People
from benchmarks.history.plan import BEGINS, Plan
from benchmarks.history.post import Post
from domain.facts import Fact

Episode = Callable[["Shard", Contact, float], None]

TEXTS: Final = 0.75
"""Of customers' messages."""


class Shard:
    """One part of a history; no conversation is in two of them."""

    def __init__(self, plan: Plan, nth: int) -> None:
        self._plan = plan
        self.nth = nth
        self.chance = Random(plan.seed * 1_000 + nth)  # noqa: S311 - the same history each time
        self.agenda = Agenda()
        self.post = Post(plan.ids, self.agenda, self.chance)
        self.business = Business(plan.ids, self.agenda, self.post, self.chance)
        self.people = People(nth, plan.people, self.chance)
        self._kinds = chain(wire.CONTENTS, repeat(None))
        self._episodes = chain(EPISODES, repeat(None))
        self._notices = chain(wire.NOTICES, cycle([None] * 50 + [*wire.NOTICES]))

    def facts(self) -> Iterator[Fact]:
        """All facts in the order of their recording, duplicates among them; without end until `end`."""
        self.agenda.add(BEGINS + self.chance.random(), self._goes_on)
        return self.agenda.facts()

    def end(self) -> None:
        """Only what sends on their way came to is still to come."""
        self.agenda.end()

    def _goes_on(self, now: datetime) -> list[Fact]:
        at = now.timestamp()
        episode = next(self._episodes) or self.chance.choices(*_WEIGHTED)[0]
        episode(self, self.people.anyone(), at)
        if self.nth == 0 and (notice := next(self._notices)):
            field, value = notice
            self.post.deliver(wire.callback(ACCOUNTS[0], field, value, int(at)), at)
        self.agenda.add(at + self.chance.expovariate(1 / self._plan.pause), self._goes_on)
        return []

    def says(self, contact: Contact, at: float, kind: str | None = None, **more: object) -> None:
        """A customer writes; `kind`: a key of wire.CONTENTS, else any."""
        if kind is None:
            kind = next(self._kinds) or self._any_kind()
        item = wire.message(contact, self.post.message_id(), kind, self.chance.choice(wire.SAID), int(at))
        body = wire.about(contact, "messages", {"messages": [item | more]}, int(at))
        self.post.deliver(body, at, contact)

    def _any_kind(self) -> str:
        return "text" if self.chance.random() < TEXTS else self.chance.choice(list(wire.CONTENTS))

    def later(self, at: float, contact: Contact, order: Callable[[Contact], Order]) -> None:
        """The business sends what it decides on then."""
        self.agenda.add(at, lambda now: self.business.send(contact, order(contact), now))


def turn(shard: Shard, contact: Contact, at: float) -> None:
    """A customer writes once or more often, and is answered."""
    for _ in range(shard.chance.choice((1, 1, 2, 3))):
        shard.says(contact, at)
        at += shard.chance.lognormvariate(3, 1)
    for _ in range(shard.chance.choice((0, 1, 1, 2))):
        at += shard.chance.lognormvariate(4, 1.5)
        shard.later(at, contact, shard.business.reply)


def campaign(shard: Shard, contact: Contact, at: float) -> None:
    """A template, which some answer."""
    shard.later(at, contact, shard.business.template)
    if shard.chance.random() < 0.1:
        shard.says(contact, at + shard.chance.lognormvariate(7, 2), "button")


def too_late(shard: Shard, contact: Contact, at: float) -> None:
    """An answer in free form to somebody who has not written for long, most often."""
    shard.later(at, contact, shard.business.reply)


def advertisement(shard: Shard, contact: Contact, at: float) -> None:
    """A customer comes from an advertisement: three days are free."""
    referral = {"source_url": "https://fb.me/ad", "source_id": "120200000000000001", "source_type": "ad"}
    shard.says(
        contact, at, "text", referral=referral | {"headline": "Winter sale", "ctwa_clid": "ARAexample"}
    )
    since = int(at)
    for hours in (0.1, 30):
        shard.later(at + hours * 3600, contact, partial(shard.business.reply, free_entry_since=since))


def phone_app(shard: Shard, contact: Contact, at: float) -> None:
    """The business answers from its phone app."""
    item: wire.Json = {"from": contact.line.number, "to": contact.number, "id": shard.post.message_id()}
    item |= {"timestamp": str(int(at)), "type": "text", "text": {"body": wire.SAID[3]}}
    body = wire.about(contact, "smb_message_echoes", {"message_echoes": [item]}, int(at))
    shard.post.deliver(body, at)


def call(shard: Shard, contact: Contact, at: float) -> None:
    """A customer calls, or is called."""
    call_id = f"wacid.{shard.chance.getrandbits(96):024X}"
    ends = at + shard.chance.lognormvariate(4, 1)
    if shard.chance.random() < 0.5:
        ids = {"id": call_id, "from": contact.number, "to": contact.line.number}
        steps = [("calls", {"event": "connect"}, at), ("calls", {"event": "terminate"}, ends)]
        ids["direction"] = "USER_INITIATED"
    else:
        ids = {"id": call_id, "type": "call", "recipient_id": contact.number}
        steps = [("statuses", {"status": "RINGING"}, at), ("statuses", {"status": "ACCEPTED"}, ends)]
    for listed, step, then in steps:
        item = ids | step | {"timestamp": str(int(then))}
        shard.post.deliver(wire.about(contact, "calls", {listed: [item]}, int(then)), then, contact)


def preference(shard: Shard, contact: Contact, at: float) -> None:
    """A customer stops or resumes marketing, in the app or by a word."""
    if shard.chance.random() < 0.4:
        item = wire.message(contact, shard.post.message_id(), "text", "STOP", int(at))
        shard.post.deliver(wire.about(contact, "messages", {"messages": [item]}, int(at)), at, contact)
        return
    wants = shard.chance.choice(("stop", "resume"))
    item = {"wa_id": contact.number, "user_id": contact.user_id, "timestamp": int(at)}
    item |= {"category": "marketing_messages", "value": wants, "detail": "the customer's choice"}
    body = wire.about(contact, "user_preferences", {"user_preferences": [item]}, int(at))
    shard.post.deliver(body, at, contact)


def history(shard: Shard, contact: Contact, at: float) -> None:
    """A thread of the phone app is brought along."""
    ids = [shard.post.message_id() for _ in range(shard.chance.randint(3, 10))]
    body = wire.about(contact, "history", wire.old_thread(contact, ids, int(at)), int(at))
    shard.post.deliver(body, at)


def standby(shard: Shard, contact: Contact, at: float) -> None:
    """A message of a thread that somebody else owns."""
    item = wire.message(contact, shard.post.message_id(), "text", wire.SAID[0], int(at))
    shard.post.deliver(wire.about(contact, "standby", {"messages": [item]}, int(at)), at)


def group(shard: Shard, contact: Contact, at: float) -> None:
    """A customer writes in a group, and the group is answered."""
    chat = shard.people.group(contact)
    item = wire.message(contact, shard.post.message_id(), "text", wire.SAID[4], int(at))
    body = wire.about(contact, "messages", {"messages": [item | {"group_id": chat.number}]}, int(at))
    shard.post.deliver(body, at, chat)
    shard.later(at + 60, chat, shard.business.to_group)


def met_twice(shard: Shard, _: Contact, at: float) -> None:
    """Somebody known by number writes by user id, and later shares the number: two persons are one."""
    stranger = shard.people.stranger()
    shard.later(at, stranger, shard.business.template)
    shard.says(stranger, at + 3600, "text")
    card = {"vcard": f"BEGIN:VCARD\nTEL;waid={stranger.number}:+{stranger.number}\nEND:VCARD"}
    shard.says(stranger, at + 7200, "contacts", origin="contact_request", contacts=[card])


def moved(shard: Shard, contact: Contact, at: float) -> None:
    """A customer has a new number."""
    before = contact.number
    item = {"from": before, "id": shard.post.message_id(), "timestamp": str(int(at)), "type": "system"}
    system = {"type": "user_changed_number", "wa_id": shard.people.move(contact), "body": "changed"}
    items = {"messages": [item | {"system": system}]}
    shard.post.deliver(wire.about(contact, "messages", items, int(at)), at)


EPISODES: Final[dict[Episode, float]] = {
    turn: 45,
    campaign: 38,
    too_late: 4,
    advertisement: 2,
    phone_app: 3,
    call: 3,
    preference: 1,
    history: 0.3,
    standby: 0.5,
    group: 1,
    met_twice: 0.2,
    moved: 0.1,
}
"""How many of a hundred; each shard begins with one of each."""
_WEIGHTED: Final = (list(EPISODES), list(EPISODES.values()))
