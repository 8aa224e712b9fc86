"""What a shard puts into the log: sealed events, as rows of PostgreSQL's binary COPY."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from benchmarks.history.episodes import Shard
from benchmarks.history.places import Places
from benchmarks.history.plan import Plan
from benchmarks.history.post import LATEST
from domain.facts import Fact
from gateway.store.log import draft
from gateway.store.outcomes import Draft

FORGOTTEN: Final = timedelta(seconds=LATEST + 3600)
"""After so long no callback comes again, so that its key need not be remembered here."""

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)
EVENT: Final = ["originator_id", "originator_version", "topic", "state", "notification_id"]
KEY: Final = ["key", "notification_id", "token"]


Row = tuple[float, bytes, bytes]
"""When an event was recorded (Unix seconds), its row up to the position, and its key."""


def placed(row: Row, position: int) -> tuple[bytes, bytes]:
    """The rows of the two tables; the position follows from all shards together."""
    _, event, key = row
    of_key = struct.pack(">hi16siqiq", 3, 16, key, 8, position, 8, position)
    return event + struct.pack(">iq", 8, position), of_key


class Known:
    """Keys of some days, as the table of keys holds them for ever."""

    def __init__(self) -> None:
        self._old: set[int] = set()
        self._new: set[int] = set()
        self._since: datetime | None = None

    def add(self, fact: Fact) -> bool:
        """Whether it was not known yet."""
        if self._since is None or fact.recorded_at - self._since > FORGOTTEN:
            self._old, self._new, self._since = self._new, set(), fact.recorded_at
        key = fact.key.int
        is_new = key not in self._new and key not in self._old
        self._new.add(key)
        return is_new


def rows(plan: Plan, shard: Shard, places: Places, log_id: UUID) -> Iterator[Row]:
    """A shard's part of the log, in order; it ends when nothing is on its way any more."""
    ids, known, versions = plan.ids, Known(), Counter[UUID]()
    count = 0
    for fact in shard.facts():
        if not known.add(fact):
            continue
        place, linked = places.place(fact)
        for one in (*linked, draft(fact, place, 0, log_id=log_id, ids=ids)):
            versions[one.stream] += 1
            yield fact.recorded_at.timestamp(), _packed(one, versions[one.stream]), one.key.bytes
            count += 1
        if count >= plan.share:
            shard.end()


def _packed(one: Draft, version: int) -> bytes:
    topic = one.topic.encode()
    head = struct.pack(">hi16siqi", 5, 16, one.stream.bytes, 8, version, len(topic))
    return b"".join((head, topic, struct.pack(">i", len(one.state)), one.state))
