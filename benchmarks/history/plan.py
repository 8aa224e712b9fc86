"""How much history, from when to when, and which part of it a shard makes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from domain.ids import Ids

SHARDS: Final = 4
"""Parts that share no conversation, each made by a process: the same ones on any machine."""
BEGINS: Final = int(datetime(2026, 5, 18, tzinfo=UTC).timestamp())
DAYS: Final = 180
FOR_EACH_PERSON: Final = 40
"""Events, on an average that few people are near."""
OF_AN_EPISODE: Final = 5.8
"""Events, as measured; it decides how closely the history fills its days."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The same plan makes the same facts."""

    events: int
    seed: int = 7

    @property
    def pepper(self) -> bytes:
        """The secret of the log's keyed ids: of the seed, so that they are the same each time."""
        return hashlib.sha256(f"history {self.seed}".encode()).digest()

    @property
    def ids(self) -> Ids:
        """What makes the keyed ids."""
        return Ids(self.pepper)

    @property
    def people(self) -> int:
        """Of a shard."""
        return max(60, self.events // FOR_EACH_PERSON) // SHARDS

    @property
    def share(self) -> int:
        """Events of a shard."""
        return self.events // SHARDS

    @property
    def pause(self) -> float:
        """Seconds between two episodes of a shard, on average."""
        return DAYS * 86_400 * OF_AN_EPISODE / self.share
