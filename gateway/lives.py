"""The life of one message with its events, read from tables and log; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from domain.events import Recorded
from gateway.store.postgres import Pool, Postgres
from projections.messages_query import MessageLife, Messages, concerns
from projections.sql import load

BEHIND: Final = 20_000
"""Events that are looked through behind the tables: with more lag than that an answer may be older."""
PAGE: Final = 2_000


class Lives:
    """Messages of one log, by their ids."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self._pool = pool
        self._log = Postgres(pool, schema)
        self._messages = Messages(schema)
        self._sql: Mapping[str, str] = load("gateway.store", "directory.sql", schema)

    async def find(
        self, *, send_id: UUID | None = None, message_key: UUID | None = None
    ) -> MessageLife | None:
        """A message by our id or by the key of WhatsApp's; exact behind tables that lag."""
        async with self._pool.acquire() as db:
            last = await self._messages.position(db)
            behind: list[Recorded] = []
            while len(behind) < BEHIND and (page := await self._log.after(last, PAGE)):
                behind += [item for item in page if isinstance(item, Recorded)]
                last = page[-1].position
            return await self._messages.life(db, send_id=send_id, message_key=message_key, behind=behind)

    async def history(self, life: MessageLife) -> list[Recorded]:
        """Its events in order, from its first one on, over all linked streams of its conversation."""
        streams = set(life.streams)
        for stream in life.streams:
            linked = await self._pool.fetch(self._sql["of conversation"], stream, life.line or "")
            streams |= {row["conversation_id"] for row in linked}
        found = await self._log.streams([*streams], life.position - 1)
        return [item for item in found if isinstance(item, Recorded) and concerns(life, item.event)]
