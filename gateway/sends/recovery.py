"""Statuses that no callback brought: WhatsApp is asked about messages that stay undelivered, a few a minute.

`message_history` needs WhatsApp's message id, so it helps with known messages only; an unknown send has none.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from domain import message_history
from domain.events import Recorded
from gateway import upstream
from gateway.logs import get_logger
from gateway.metrics import Metrics
from gateway.sends import standing
from gateway.store.log import Log
from gateway.store.outcomes import Appended, InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE, Pool
from projections.messages_query import Messages, Undelivered

AGES: Final = (timedelta(minutes=30), timedelta(hours=24))
"""How long after a send WhatsApp is asked about it, should no delivery have been reported."""
OLDEST: Final = timedelta(days=7)
"""Callbacks come for this long; whatever is older is left alone."""
REST: Final = 60.0
"""Seconds between two rounds."""
AT_ONCE: Final = 20
"""Messages that one round asks about, for each age."""
PAGE: Final = 10_000
"""Messages that one round looks at: those that are too old are passed over."""
PAUSE: Final = 3600.0
"""Seconds of rest when WhatsApp does not answer the question."""
PATIENCE: Final = 5.0


class Recovery:
    """Goes through the undelivered messages in their order, once for each age."""

    def __init__(
        self,
        log: Log,
        pool: Pool,
        messages: Messages,
        *,
        upstream: upstream.Upstream,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._log = log
        self._pool = pool
        self._messages = messages
        self._upstream = upstream
        self._clock = clock
        self._metrics = metrics
        self._after = dict.fromkeys(AGES, 0)

    async def run(self) -> None:
        """Ask until cancelled; outlives the loss of the database."""
        while True:
            await asyncio.sleep(REST)
            with contextlib.suppress(NotTaken, InDoubt, asyncpg.PostgresError, *DATABASE_GONE):
                if not await self.round():
                    get_logger().warning("WhatsApp does not tell lost statuses", again_in_seconds=PAUSE)
                    await asyncio.sleep(PAUSE)

    async def round(self) -> bool:
        """Ask about the next messages of each age; False when WhatsApp did not answer."""
        now = self._clock()
        for age in AGES:
            async with self._pool.acquire() as db:
                found = await self._messages.undelivered(
                    db, after=self._after[age], until=now - age, limit=PAGE
                )
            if not await self._go_on(age, found, oldest=now - OLDEST):
                return False
        return True

    async def _go_on(self, age: timedelta, found: Sequence[Undelivered], *, oldest: datetime) -> bool:
        asked = 0
        for one in found:
            if one.requested_at > oldest:
                if asked == AT_ONCE:
                    break
                if not await self._ask(one):
                    return False
                asked += 1
            self._after[age] = one.position
        return True

    async def _ask(self, undelivered: Undelivered) -> bool:
        found = await standing.read(self._log, undelivered.send_id)
        one = found.send(self._log) if found else None
        [content] = await self._log.opened(
            [
                item.event
                for item in await self._log.events_at([undelivered.position])
                if isinstance(item, Recorded)
            ]
        )
        if one is None or content is None:
            return True  # forgotten since
        message_id = content["message_id"]
        query = {"message_id": message_id, "fields": message_history.FIELDS}
        answer = await self._upstream.get(f"{upstream.GRAPH_VERSION}/{one.line}/message_history", query)
        told = message_history.read(answer.body) if isinstance(answer, upstream.Answered) else None
        if told is None:
            return False
        now = self._clock()
        facts = [
            one.reported(message_id, each.status, each.at, now, each.details)
            for each in message_history.news(told, undelivered.reached)
        ]
        for recording in await self._log.record(facts, patience=PATIENCE):
            if isinstance(recording, Appended):
                self._metrics.recovered.inc()
        return True
