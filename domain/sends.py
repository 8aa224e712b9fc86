"""A send as facts: what was asked and decided, that it leaves, and what came of it (docs/events.md).

The keys of these facts follow from the send's id, so that each can be found by it, and each is recorded once:
`decision`, and for every attempt `dispatch`, `outcome` and `settled`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from domain import graph_errors
from domain.callback_data import Dispatch
from domain.events import Event, SendDispatched, SendRefused, SendRequested, SendSettled, StatusReceived
from domain.facts import Alias, AliasKind, Evidence, Fact, Group, Person, Subject
from domain.ids import Ids
from domain.inbound import wire
from domain.outbound import SendRequest
from domain.people import of_user_id
from domain.policy import Allowed, Refused

Json = dict[str, Any]

FIRST: Final = 1
"""The attempt that a send begins with; only an operator orders another one."""

SettledAs = Literal["accepted", "failed", "resend"]
SettledBy = Literal["status", "answer", "operator"]


def id_of(ids: Ids, caller: str, idempotency_key: str, nth: int) -> UUID:
    """The send that a caller's Idempotency-Key stands for; the `nth` once all before have left it free."""
    return ids.key("send", caller, idempotency_key, nth)


def decision_key(ids: Ids, send_id: UUID) -> UUID:
    """The key of SendRequested or SendRefused."""
    return ids.key("decision", send_id)


def dispatch_key(ids: Ids, send_id: UUID, attempt: int) -> UUID:
    """The key of SendDispatched: a repetition takes the place of what would settle the attempt before it."""
    return ids.key("dispatch", send_id, FIRST) if attempt == FIRST else settled_key(ids, send_id, attempt - 1)


def outcome_key(ids: Ids, send_id: UUID, attempt: int) -> UUID:
    """The key of SendAccepted, SendFailed or SendUnknown: one for each dispatch."""
    return ids.key("outcome", send_id, attempt)


def settled_key(ids: Ids, send_id: UUID, attempt: int) -> UUID:
    """The key of what settles an unknown attempt: a SendSettled, or the dispatch of the next attempt."""
    return ids.key("settled", send_id, attempt)


def same_request(a: Json, b: Json) -> bool:
    """Whether two bodies ask for the same: order of keys and white space do not matter."""
    return a == b and json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)  # True is not 1


@dataclass(frozen=True, slots=True)
class Send:
    """One send on its way."""

    asked: SendRequest
    line: str
    caller: str
    """Name of the API key."""
    reference: str | None
    """The caller's Idempotency-Key."""
    send_id: UUID
    now: datetime
    """When it was decided and left."""
    ids: Ids
    path: str
    """The upstream path that it is posted to."""
    attempt: int = FIRST
    rendered: str | None = field(default=None, repr=False)
    """The text of a template as the person will read it, where that is known."""

    @property
    def dispatch(self) -> Dispatch:
        """What rides along, so that statuses tell whose they are."""
        return Dispatch(self.send_id, self.attempt, int(self.now.timestamp()))

    def again(self, now: datetime) -> Send:
        """The next attempt, at the operator's order."""
        return replace(self, attempt=self.attempt + 1, now=now)

    def refused(self, decision: Refused, as_of: int) -> Fact:
        """The policy refused; nothing was or will be posted."""
        return self._decided(SendRefused, decision, as_of)

    def requested(self, decision: Allowed, as_of: int) -> Fact:
        """The policy let it pass."""
        return self._decided(SendRequested, decision, as_of)

    def dispatched(self, *, caller: str | None = None) -> Fact:
        """Directly before the POST; `caller` is the operator's API key, by name, of a repetition."""
        key = dispatch_key(self.ids, self.send_id, self.attempt)
        return self._about(SendDispatched, key, self.now, {"caller": caller}, {}, self._recipient())

    def outcome(
        self,
        event: type[Event],
        at: datetime,
        public: Json,
        private: Json,
        accepted: graph_errors.Accepted | None = None,
    ) -> Fact:
        """What came of the POST: one for each dispatch."""
        known = {"dispatched_at": self.dispatch.dispatched_at}
        subject = self._answered(accepted) if accepted else self._recipient()
        key = outcome_key(self.ids, self.send_id, self.attempt)
        return self._about(event, key, at, known | public, private, subject)

    def settled(
        self,
        settled_as: SettledAs,
        by: SettledBy,
        at: datetime,
        *,
        message_id: str | None = None,
        wa_id: str | None = None,
        caller: str | None = None,
    ) -> Fact:
        """An unknown attempt became known; `caller` is the operator's API key, by name."""
        # Where it is to be sent again, the dispatch of that attempt has taken the key.
        key = (
            self.ids.key("resend", self.send_id, self.attempt)
            if settled_as == "resend"
            else settled_key(self.ids, self.send_id, self.attempt)
        )
        public = {
            "settled_as": settled_as,
            "by": by,
            "message_key": str(self.ids.message(message_id)) if message_id else None,
            "caller": caller,
        }
        told = {"message_id": message_id, "wa_id": wa_id}
        private = {name: value for name, value in told.items() if value}
        return self._about(SendSettled, key, at, public, private, self._recipient())

    def reported(
        self, message_id: str, status: str, at: int, recorded_at: datetime, details: str | None
    ) -> Fact:
        """A status that no callback brought: WhatsApp told it when asked (Cloud API reference, section 9)."""
        key = self.ids.key("status", self.line, message_id, status, None, "history", at)
        public = {
            "message_key": str(self.ids.message(message_id)),
            "status": status,
            "source": "history",
            "dispatched_at": self.dispatch.dispatched_at,
            "at": at,
            "at_used": wire.at_used(at, recorded_at),
        }
        private = {"message_id": message_id, "recipient": self.asked.to, "details": details}
        return self._about(StatusReceived, key, recorded_at, public, private, self._recipient())

    def _decided(self, event: type[Event], decision: Allowed | Refused, as_of: int) -> Fact:
        asked = self.asked
        own = [text for text in (asked.callback_data, self.reference) if text]
        public = {
            "send_id": str(self.send_id),
            "caller": self.caller,
            "face": asked.face,
            "kind": asked.kind,
            "type": asked.type,
            "category": asked.category,
            "template": asked.template,
            "language": asked.language,
            "market": asked.market,
            "decision": decision.recorded(as_of),
            "references": [str(self.ids.reference(text)) for text in own] or None,
        }
        private = {
            "to": asked.to,
            "recipient": asked.recipient,
            "body": asked.body,
            "callback_data": asked.callback_data,
            "reference": self.reference,
            "path": self.path,
        } | ({} if self.rendered is None else {"rendered": self.rendered})
        key = decision_key(self.ids, self.send_id)
        return Fact(event, self.line, self._recipient(), key, self.now, public, private, asked.group_id)

    def _about(
        self, event: type[Event], key: UUID, at: datetime, public: Json, private: Json, subject: Subject
    ) -> Fact:
        public = {"send_id": str(self.send_id), "attempt": self.attempt} | public
        return Fact(event, self.line, subject, key, at, public, private, self.asked.group_id)

    def _recipient(self) -> Subject:
        if self.asked.group_id:
            return Group(self.asked.group_id)
        if self.asked.to:
            return Person((Alias(AliasKind.PHONE, self.asked.to),))
        return Person((of_user_id(self.asked.recipient or ""),))

    def _answered(self, accepted: graph_errors.Accepted) -> Subject:
        """The recipient by every identifier that WhatsApp's answer knows."""
        subject = self._recipient()
        if not isinstance(subject, Person):
            return subject
        known = [Alias(AliasKind.PHONE, accepted.wa_id)] if accepted.wa_id else []
        known += [of_user_id(one) for one in (accepted.user_id, accepted.parent_user_id) if one]
        # WhatsApp's own come first: the number that the caller used may once have been somebody else's.
        return Person(tuple(dict.fromkeys([*known, *subject.aliases])), Evidence.ANSWERED)
