"""WhatsApp's callbacks on their way: late, sometimes again, read by the gateway's own reader."""

from __future__ import annotations

import math
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, Final

from benchmarks.history import wire
from benchmarks.history.agenda import Agenda
from benchmarks.history.people import Contact
from domain import inbound, openers
from domain.facts import Fact
from domain.ids import Ids

Json = dict[str, Any]

AGAIN: Final = 0.02
"""Of all callbacks come a second time."""
SOONEST: Final = 5.0
LATEST: Final = 7 * 86_400.0
"""Seconds after which they do."""


class Post:
    """Callbacks of a shard."""

    def __init__(self, ids: Ids, agenda: Agenda, chance: Random) -> None:
        self._ids = ids
        self._agenda = agenda
        self._chance = chance

    def message_id(self) -> str:
        return f"wamid.HBgM{self._chance.getrandbits(192):048X}AA=="

    def deliver(self, body: bytes, at: float, contact: Contact | None = None, *, late: float = 0.0) -> None:
        """A callback about what happened `at`: after a moment, and perhaps again days later.

        `contact`: who may be known better by what it says.
        """
        arrives = at + late + self._chance.uniform(0.2, 2.0)
        arrived = partial(self._arrived, body, contact)
        self._agenda.add(arrives, arrived)
        if self._chance.random() < AGAIN:
            pause = math.exp(self._chance.uniform(math.log(SOONEST), math.log(LATEST)))
            self._agenda.add(arrives + pause, arrived)

    def status(
        self,
        contact: Contact,
        message_id: str,
        word: str,
        at: float,
        more: Json,
        *,
        late: float = 0.0,
    ) -> None:
        """A status of a message to a customer."""
        item = wire.status(contact, message_id, word, int(at), more)
        self.deliver(wire.about(contact, "messages", {"statuses": [item]}, int(at)), at, late=late)

    def _arrived(self, body: bytes, contact: Contact | None, at: datetime) -> list[Fact]:
        updates = inbound.updates(body, ids=self._ids, openers=openers.DEFAULT, recorded_at=at)
        facts = [fact for update in updates for fact in update]
        if contact is not None:
            for fact in facts:
                contact.learn(fact)
        return facts
