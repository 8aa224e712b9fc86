"""A send as facts: what was asked and decided, that it leaves, and what came of it (docs/events.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain import graph_errors
from domain.callback_data import Dispatch
from domain.events import Event, SendDispatched, SendRefused, SendRequested
from domain.facts import Alias, AliasKind, Evidence, Fact, Group, Person, Subject
from domain.ids import Ids
from domain.outbound import SendRequest
from domain.people import of_user_id
from domain.policy import Allowed, Refused

Json = dict[str, Any]

ATTEMPT = 1
"""A relayed send is posted once."""


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
    rendered: str | None = field(default=None, repr=False)
    """The text of a template as the person will read it, where that is known."""

    @property
    def dispatch(self) -> Dispatch:
        """What rides along, so that statuses tell whose they are."""
        return Dispatch(self.send_id, ATTEMPT, int(self.now.timestamp()))

    def refused(self, decision: Refused, as_of: int) -> Fact:
        """The policy refused; nothing was or will be posted."""
        return self._decided(SendRefused, decision, as_of)

    def requested(self, decision: Allowed, as_of: int) -> Fact:
        """The policy let it pass."""
        return self._decided(SendRequested, decision, as_of)

    def dispatched(self) -> Fact:
        """Directly before the POST."""
        return self._about(SendDispatched, "dispatch", self.now, {"attempt": ATTEMPT}, {}, self._recipient())

    def outcome(
        self,
        event: type[Event],
        at: datetime,
        public: Json,
        private: Json,
        accepted: graph_errors.Accepted | None = None,
    ) -> Fact:
        """What came of the POST: one for each dispatch."""
        known = {"attempt": ATTEMPT, "dispatched_at": self.dispatch.dispatched_at}
        subject = self._answered(accepted) if accepted else self._recipient()
        return self._about(event, "outcome", at, known | public, private, subject)

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
        } | ({} if self.rendered is None else {"rendered": self.rendered})
        key = self.ids.key("decision", self.send_id)
        return Fact(event, self.line, self._recipient(), key, self.now, public, private, asked.group_id)

    def _about(
        self, event: type[Event], purpose: str, at: datetime, public: Json, private: Json, subject: Subject
    ) -> Fact:
        key = self.ids.key(purpose, self.send_id, ATTEMPT)
        public = {"send_id": str(self.send_id)} | public
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
