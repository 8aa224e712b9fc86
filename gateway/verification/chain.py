"""The log as a chain: positions, commits, versions, and the table of keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from domain.events import Recorded, Undecodable
from gateway.store.postgres import Pool
from gateway.verification.findings import Findings
from gateway.verification.pages import Stored

COMMITS: Final = 1_000
"""Newest commits that are remembered: one whose events don't stand together is found among these."""


class Chain:
    """Follows the log from its first position."""

    def __init__(self, pool: Pool, sql: Mapping[str, str], findings: Findings, *, floor: int) -> None:
        """`floor`: positions up to it may have been given before a restore, and be missing."""
        self._pool = pool
        self._sql = sql
        self._findings = findings
        self._floor = floor
        self._last = 0
        self._commits: deque[str] = deque(maxlen=COMMITS)
        self.events = 0
        self.commits = 0
        self.streams = 0
        self.keys = 0

    async def follow(self, page: Sequence[Stored]) -> None:
        """The next events."""
        for one in page:
            self._place(one)
            self._version(one)
        await self._keys([one.item for one in page if isinstance(one.item, Recorded)])

    async def close(self, head: int) -> None:
        """What can be known at the end only: whether it is the head, and which keys have no event."""
        if self._last < head and head > self._floor:
            self._findings.add("positions", head, "missing: the log ends before it")
        for one in await self._pool.fetch(self._sql["strays"]):
            wrong = "has a key and no event" if one["is_alone"] else f"has {one['keys']} keys"
            self._findings.add("keys", one["position"], wrong)

    def _place(self, one: Stored) -> None:
        position = one.item.position
        if position != self._last + 1 and position != self._floor + 1:
            missing = f"{self._last + 1} to {position - 1}"
            self._findings.add("positions", position, f"follows {self._last}: {missing} are missing")
        if not self._commits or self._commits[-1] != one.commit:
            self.commits += 1
            if one.commit in self._commits:
                self._findings.add("commits", position, "another commit stands between this one's events")
            self._commits.append(one.commit)
        self._last = position
        self.events += 1
        if isinstance(one.item, Undecodable):
            text = f"{one.item.topic} can't be read by this release ({one.item.error})"
            self._findings.add("events", position, text)

    def _version(self, one: Stored) -> None:
        if not isinstance(one.item, Recorded):
            return
        event = one.item.event
        if one.before is None:
            self.streams += 1
            if event.originator_version not in (0, 1):
                text = f"version {event.originator_version} of {event.originator_id} has none before it"
                self._findings.add("versions", one.item.position, text)
        elif one.before >= one.item.position:
            text = (
                f"version {event.originator_version} of {event.originator_id} stands before the one before it"
            )
            self._findings.add("versions", one.item.position, text)

    async def _keys(self, page: Sequence[Recorded]) -> None:
        wanted = [UUID(one.event.key) for one in page]
        rows = await self._pool.fetch(self._sql["keys"], wanted)
        found = {row["key"]: row["notification_id"] for row in rows}
        for key, one in zip(wanted, page, strict=True):
            match found.get(key):
                case None:
                    self._findings.add("keys", one.position, "its key is not in the table of keys")
                case there if there != one.position:
                    self._findings.add("keys", one.position, f"its key leads to position {there}")
                case _:
                    self.keys += 1
