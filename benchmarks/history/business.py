"""What the business sends, and what becomes of it: decided by the policy, in the gateway's own facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID

from benchmarks.history import wire
from benchmarks.history.agenda import Agenda
from benchmarks.history.people import Contact
from benchmarks.history.post import Post
from domain import callback_data, graph_errors, outbound, policy
from domain.events import SendAccepted, SendFailed, SendUnknown
from domain.facts import Fact
from domain.ids import Ids
from domain.sends import Send

Json = dict[str, Any]

OCTOBER: Final = 1_790_812_800
"""2026-10-01: messages inside the window are charged from here on."""
FREE_ENTRY: Final = 72 * 3600
RULES: Final = policy.Rules(margin=60)
TEMPLATES: Final = (
    ("order_update", "utility", 50),
    ("winter_sale", "marketing", 22),
    ("winter_sale", "marketing_lite", 8),
    ("login_code", "authentication", 17),
    ("login_code", "authentication_international", 3),
)
"""Name, the category that WhatsApp charges, and how many of a hundred."""
REPLIES: Final = ("text", "text", "text", "image", "document", "interactive")
REJECTED: Final = (131026, 131056, 131030, 132000, 130429)
FAILED: Final = (131049, 131026, 131047, 131053, 130472, 131050)


@dataclass(frozen=True, slots=True)
class Order:
    """A send that the business wants."""

    body: Json
    category: str
    """As WhatsApp will charge it."""
    free_entry_since: int | None = None


class Business:
    """Sends of a shard."""

    def __init__(self, ids: Ids, agenda: Agenda, post: Post, chance: Random) -> None:
        self._ids = ids
        self._agenda = agenda
        self._post = post
        self._chance = chance
        self._head = 0

    def template(self, contact: Contact) -> Order:
        """One of the templates."""
        weights = [weight for *_, weight in TEMPLATES]
        name, category, _ = self._chance.choices(TEMPLATES, weights)[0]
        parameters = [{"type": "text", "text": "A-1042"}, {"type": "text", "text": contact.name}]
        template = {
            "name": name,
            "language": {"code": "en_GB"},
            "components": [{"type": "body", "parameters": parameters}],
        }
        return Order({"to": contact.number, "type": "template", "template": template}, category)

    def reply(self, contact: Contact, free_entry_since: int | None = None) -> Order:
        """An answer in free form."""
        kind = self._chance.choice(REPLIES)
        content = wire.CONTENTS.get(kind, {kind: {"type": "button"}})
        category = "service" if free_entry_since is None else "referral_conversion"
        body = {"to": contact.number, "type": kind} | content
        return Order(body, category, free_entry_since)

    def to_group(self, chat: Contact) -> Order:
        """A message to a group."""
        body = {"recipient_type": "group", "to": chat.number, "type": "text", "text": {"body": wire.SAID[1]}}
        return Order(body, "group_service")

    def send(self, contact: Contact, order: Order, now: datetime) -> Iterator[Fact]:
        """Ask the policy, and post what it lets pass."""
        self._head += 1
        path = f"/v26.0/{contact.line.id}/messages"
        asked = outbound.recalled("cloud", {"messaging_product": "whatsapp"} | order.body)
        send_id = UUID(int=self._chance.getrandbits(128), version=4)
        reference = f"order-{send_id.hex[:8]}" if self._chance.random() < 0.3 else None
        caller = "shop" if asked.kind == "free_form" else "campaigns"
        one = Send(asked, contact.line.id, caller, reference, send_id, now, self._ids, path)
        window, consent = contact.window, contact.consent if asked.kind == "template" else None
        category = order.category.partition("_")[0]
        decision = policy.decide(
            asked, window, consent, now=int(now.timestamp()), rules=RULES, category=category
        )
        match decision:
            case policy.Refused():
                yield one.refused(decision, self._head)
            case policy.Allowed():
                yield one.requested(decision, self._head)
                yield from self._leaves(one, contact, order, by_whom=None)

    def _leaves(self, one: Send, contact: Contact, order: Order, *, by_whom: str | None) -> Iterator[Fact]:
        yield one.dispatched(caller=by_whom)
        at, luck = one.now.timestamp(), self._chance.random()
        answered = at + self._chance.uniform(0.08, 1.5)
        message_id = self._post.message_id()
        if luck < 0.965:
            self._owed(answered, partial(self._accepted, one, contact, message_id))
            self._delivery(one, contact, order, message_id, at)
        elif luck < 0.985:
            self._owed(answered, partial(self._rejected, one))
        elif luck < 0.99:
            self._owed(answered, partial(_unreachable, one))
        else:
            self._owed(at + 30, partial(self._lost, one, contact, order, message_id))

    def _owed(self, at: float, happens: Any) -> None:
        self._agenda.add(at, happens, is_owed=True)

    def _accepted(self, one: Send, contact: Contact, message_id: str, at: datetime) -> list[Fact]:
        body = wire.answer(contact, message_id)
        named = contact.user_id if contact.is_paired else None
        accepted = graph_errors.Accepted(message_id, wa_id=contact.number, user_id=named)
        public = {"http_status": 200, "message_key": str(self._ids.message(message_id))}
        private = {"answer": body.decode(), "message_id": message_id}
        return [one.outcome(SendAccepted, at, public, private, accepted)]

    def _rejected(self, one: Send, at: datetime) -> list[Fact]:
        body = wire.rejection(self._chance.choice(REJECTED))
        judged = graph_errors.judge(400, body)
        if not isinstance(judged, graph_errors.Rejected):
            raise TypeError("WhatsApp's answer is none that rejects")
        public = {"http_status": 400, "code": judged.code, "safe": judged.safe, "cause": "rejected"}
        return [one.outcome(SendFailed, at, public, {"answer": body.decode()})]

    def _lost(
        self, one: Send, contact: Contact, order: Order, message_id: str, at: datetime
    ) -> Iterable[Fact]:
        """No answer: the status of the message settles it, or an operator does."""
        yield one.outcome(SendUnknown, at, {"cause": "timeout"}, {})
        luck, later = self._chance.random(), at.timestamp() + self._chance.uniform(60, 7200)
        if luck < 0.6:
            self._delivery(one, contact, order, message_id, at.timestamp())
            self._agenda.add(
                later, lambda now: [one.settled("accepted", "status", now, message_id=message_id)]
            )
        elif luck < 0.8:
            self._agenda.add(later, lambda now: [one.settled("failed", "operator", now, caller="ops")])
        else:
            self._agenda.add(later, partial(self._again, one, contact, order))

    def _again(self, one: Send, contact: Contact, order: Order, at: datetime) -> Iterator[Fact]:
        yield from self._leaves(one.again(at), contact, order, by_whom="ops")
        yield one.settled("resend", "operator", at, caller="ops")

    def _delivery(self, one: Send, contact: Contact, order: Order, message_id: str, at: float) -> None:
        """Statuses, mostly in order: some overtake WhatsApp's own answer, some each other."""
        chance, opaque = self._chance, callback_data.write(one.dispatch)
        sent = at + chance.uniform(0.0, 1.0)
        delivered = sent + chance.lognormvariate(1.0, 1.5)
        read = delivered + chance.lognormvariate(5.5, 2.5)
        luck = chance.random()
        priced = self._pricing(contact, order, int(at)) | {"biz_opaque_callback_data": opaque}
        plain = {"biz_opaque_callback_data": opaque}
        tell = partial(self._post.status, contact, message_id)
        tell("sent", sent, priced)
        if luck < 0.03:
            tell("failed", delivered, plain | wire.error(chance.choice(FAILED)))
        elif luck < 0.95:
            # Of two that are told together the later one may come first.
            swap = read - delivered + 1 if luck > 0.93 else 0
            tell("delivered", delivered, priced, late=swap)
            if luck > 0.3:
                tell("read", read, plain)

    def _pricing(self, contact: Contact, order: Order, at: int) -> Json:
        is_open = contact.window.is_open(at)
        kind, more = "regular", Json()
        if order.free_entry_since is not None:
            kind, until = "free_entry_point", order.free_entry_since + FREE_ENTRY
            conversation = {"id": f"{order.free_entry_since:032x}", "origin": {"type": order.category}}
            more = {"conversation": conversation | {"expiration_timestamp": str(until)}}
        elif at < OCTOBER and (order.category == "service" or (order.category == "utility" and is_open)):
            kind = "free_customer_service"
        told = {"pricing_model": "PMP", "type": kind, "category": order.category}
        return more | {"pricing": told | {"billable": kind == "regular"}}


def _unreachable(one: Send, at: datetime) -> list[Fact]:
    return [one.outcome(SendFailed, at, {"safe": True, "cause": "connect"}, {})]
