"""What was kept: found by WhatsApp's media id, opened in parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.events import Event, MediaKept, Recorded
from domain.ids import Ids
from gateway.store.log import Log
from gateway.store.postgres import Pool
from gateway.vault.objects import Objects
from gateway.vault.sealed import Seal, span_of
from gateway.vault.store import Store
from projections.media import MediaProjection, Wanted


@dataclass(frozen=True, slots=True)
class Kept:
    """A file in the vault."""

    line: str
    media_id: str
    media_key: UUID
    object_id: UUID
    secret: bytes
    size: int
    sha256: str
    mime_type: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A file that was in the vault; its person was forgotten, or its time is over."""

    line: str


class Vault:
    """The kept files of one log."""

    def __init__(self, store: Store, log: Log, pool: Pool, schema: str) -> None:
        self.store = store
        self.log = log
        self.objects = Objects(pool, schema)
        self._pool = pool
        self._projection = MediaProjection(schema)

    async def wanted(
        self, lines: Collection[str], *, since: int, without: Collection[UUID], limit: int
    ) -> list[Wanted]:
        """The oldest files that came `since` (Unix seconds) and were neither kept nor given up."""
        async with self._pool.acquire() as db:
            return await self._projection.wanted(db, lines, since=since, without=without, limit=limit)

    async def find(self, media_key: UUID) -> Kept | Forgotten | None:
        """A file by the keyed id of its media id; None where it was never kept."""
        async with self._pool.acquire() as db:
            places = await self._projection.kept(db, media_key)
        forgotten = None
        for place in places:
            events = await self.log.events_at([place.message, place.kept])
            message, told = (item.event if isinstance(item, Recorded) else None for item in events)
            if message is None or not isinstance(told, MediaKept):
                continue
            [content] = await self.log.opened([told])
            secret = content and await derive(self.log, message, UUID(told.object), content["salt"])
            if content and secret:
                return _kept(place.line, told, content, secret)
            forgotten = Forgotten(place.line)
        return forgotten

    async def read(self, kept: Kept, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Bytes `start` to before `stop` of a file. Raises StoreError or DamagedError."""
        span = span_of(start, stop, kept.size)
        seal = Seal(kept.secret, kept.object_id)
        async with aclosing(self.store.read(kept.object_id, span.start, span.stop)) as stored:
            async for at, piece in seal.open(stored, span, kept.size):
                yield piece[max(start - at, 0) : stop - at]


async def derive(log: Log, message: Event, object_id: UUID, salt: str) -> bytes | None:
    """A file's key: it follows from its message's, so that both go together; None where they are gone."""
    return await log.derive(message, b"ledgerline media" + object_id.bytes + bytes.fromhex(salt))


def media_key(ids: Ids, media_id: str) -> UUID:
    """The public id of a media file."""
    return ids.key("media-id", media_id)


def outcome_key(ids: Ids, message_event: str) -> UUID:
    """The dedupe key of the event that says what became of a message's file."""
    return ids.key("media", message_event)


def _kept(line: str, told: MediaKept, content: dict[str, Any], secret: bytes) -> Kept:
    return Kept(
        line,
        content["media_id"],
        UUID(told.media_key),
        UUID(told.object),
        secret,
        content["size"],
        content["sha256"],
        content["mime_type"],
        content.get("filename"),
    )
