"""Files that customers send, brought into the vault as soon as their messages are recorded.

It looks at what is still wanted, not at what just came: after a crash or a race the next look finds the same
(docs/how-it-works.md). One gateway works on a file at a time; what two should record is recorded once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID, uuid4

import asyncpg

from domain import media
from domain.events import MessageReceived, Recorded
from domain.media import HELD
from gateway.logs import get_logger, where
from gateway.metrics import Metrics
from gateway.store.outcomes import Appended, InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE
from gateway.upstream import Upstream
from gateway.vault.download import Download, Failed, Fetched
from gateway.vault.outcomes import Message, kept, lost
from gateway.vault.sealed import Seal
from gateway.vault.store import StoreError
from gateway.vault.vault import Vault, derive, outcome_key
from projections.media import Wanted

PAUSES: Final = (1.0, 5.0, 20.0, 60.0, 120.0)
"""Seconds between tries at a file. Each try asks for a new address, which lives five minutes."""
LATER: Final = 300.0
"""Seconds until a file is tried again that WhatsApp or the store could not be asked for."""
LAST: Final = timedelta(hours=1)
"""How much longer than WhatsApp has a file it is looked for, so that its loss is recorded."""
REST: Final = 0.1
"""Seconds that messages gather before they are looked at."""
RENEW: Final = 10.0
"""Seconds between two renewals of the claims; they last 30."""
IN_HAND: Final = 64
"""Files that one gateway works on or waits for."""
DOWNLOADS: Final = 4
"""Files that it fetches at the same time."""
PATIENCE: Final = 5.0
"""Seconds for the log to record what became of a file."""

_AWAY: Final = (NotTaken, asyncpg.PostgresError, *DATABASE_GONE)


class Hints(Protocol):
    """Tells when the log may have grown."""

    async def wait(self) -> None:
        """Return on a hint, or after some seconds."""


class Fetcher:
    """One for each gateway; any number may work on one log."""

    def __init__(
        self,
        lines: Sequence[str],
        vault: Vault,
        *,
        upstream: Upstream,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        """`lines`: whose media is kept."""
        self._lines = lines
        self._vault = vault
        self._store = vault.store
        self._log = vault.log
        self._objects = vault.objects
        self._upstream = upstream
        self._clock = clock
        self._metrics = metrics
        self._downloads = asyncio.Semaphore(DOWNLOADS)
        self._hand: set[UUID] = set()
        self._later: dict[UUID, float] = {}
        """When a message is looked at again, by the monotonic clock."""
        self._claimed: set[UUID] = set()

    async def run(self, hints: Hints) -> None:
        """Keep what comes until cancelled; outlives the loss of the database."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew())
            while True:
                await hints.wait()
                await asyncio.sleep(REST)
                with contextlib.suppress(*_AWAY):
                    for one in await self._wanted():
                        self._hand.add(one.message)
                        group.create_task(self._safely(one))

    async def _wanted(self) -> list[Wanted]:
        now = time.monotonic()
        self._later = {message: until for message, until in self._later.items() if until > now}
        room = IN_HAND - len(self._hand)
        if room <= 0:
            return []
        since = int((self._clock() - HELD - LAST).timestamp())
        return await self._vault.wanted(
            self._lines, since=since, without={*self._hand, *self._later}, limit=room
        )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            with contextlib.suppress(*_AWAY):
                if self._claimed:
                    await self._objects.renew(self._claimed, self._clock())

    async def _safely(self, one: Wanted) -> None:
        """What is wrong with one file costs the others nothing."""
        try:
            await self._keep(one)
        except (InDoubt, *_AWAY):
            self._put_off(one, LATER)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are still to be fetched
            self._put_off(one, LATER)
            get_logger().error("a file can't be kept", error=type(error).__name__, where=where(error))
        finally:
            self._hand.discard(one.message)
            # What was recorded just now the tables may not tell yet.
            self._later.setdefault(one.message, time.monotonic() + RENEW)

    def _put_off(self, one: Wanted, seconds: float) -> None:
        self._later[one.message] = time.monotonic() + seconds

    async def _keep(self, one: Wanted) -> None:
        message = await self._read(one)
        if message is None:
            self._put_off(one, HELD.total_seconds())  # its person was forgotten: nothing is to be kept
            return
        object_id = uuid4()
        if not await self._objects.claim(object_id, one.message, message.whose, self._clock()):
            self._put_off(one, RENEW)  # somebody else has it in hand
            return
        self._claimed.add(object_id)
        try:
            # Asked behind the claim: whoever held it before recorded first, though the tables may lag.
            if await self._log.by_keys([self._key(message)]):
                await self._objects.drop(object_id)
                self._put_off(one, RENEW)
            else:
                await self._fetch(one, message, object_id)
        finally:
            self._claimed.discard(object_id)

    async def _fetch(self, one: Wanted, message: Message, object_id: UUID) -> None:
        started = time.monotonic()
        outcome, salt = await self._tries(message, object_id)
        if isinstance(outcome, Fetched):
            await self._kept(message, object_id, salt, outcome, time.monotonic() - started)
        else:
            await self._failed(one, message, object_id, outcome)

    def _key(self, message: Message) -> UUID:
        """Of what becomes of the file: it is recorded once."""
        return outcome_key(self._log.ids, message.event.key)

    async def _read(self, one: Wanted) -> Message | None:
        [item] = await self._log.events_at([one.position])
        if not isinstance(item, Recorded) or not isinstance(item.event, MessageReceived):
            return None
        [content] = await self._log.opened([item.event])
        if content is None:
            return None
        return Message(item.event, content, media.of_item(content.get("item")))

    async def _tries(self, message: Message, object_id: UUID) -> tuple[Fetched | Failed, str]:
        """Try until it is here, or another try makes no sense for now."""
        outcome, salt = Failed("no_file", certain=True), ""
        if message.media is None:
            return outcome, salt
        download = Download(self._upstream, self._store, message.line, message.media)
        for pause in (0.0, *PAUSES):
            await asyncio.sleep(pause)
            salt = os.urandom(16).hex()  # a key of its own for each try: nonces repeat
            secret = await derive(self._log, message.event, object_id, salt)
            if secret is None:
                return Failed("forgotten", certain=True), salt
            async with self._downloads:
                tried = await download.run(object_id, Seal(secret, object_id))
            if isinstance(tried, Fetched) or tried.certain:
                return tried, salt
            outcome = tried
        return outcome, salt

    async def _kept(
        self, message: Message, object_id: UUID, salt: str, fetched: Fetched, seconds: float
    ) -> None:
        """Record it, if it is still ours: another gateway may have taken this one for dead."""
        recording = None
        if message.media and await self._objects.renew([object_id], self._clock()):
            fact = kept(message, message.media, object_id, salt, fetched, self._log.ids, self._clock())
            [recording] = await self._log.record([fact], patience=PATIENCE)
        if not isinstance(recording, Appended):
            await self._remove(object_id)
            return
        await self._objects.keep(object_id)
        self._metrics.media.labels("kept", "").inc()
        self._metrics.media_bytes.inc(fetched.size)
        self._metrics.media_seconds.observe(seconds)

    async def _failed(self, one: Wanted, message: Message, object_id: UUID, failed: Failed) -> None:
        await self._remove(object_id)  # a store that was away may have kept a part
        too_old = self._clock().timestamp() > one.at_used + HELD.total_seconds()
        if failed.reason == "forgotten":
            self._put_off(one, HELD.total_seconds())
        elif failed.passes and not too_old:
            self._put_off(one, LATER)
            self._metrics.media.labels("put_off", failed.reason).inc()
            get_logger().warning("a file waits", line=message.line, reason=failed.reason)
        else:
            await self._lost(message, failed.reason)

    async def _lost(self, message: Message, reason: str) -> None:
        fact = lost(message, reason, self._log.ids, self._clock())
        [recording] = await self._log.record([fact], patience=PATIENCE)
        if isinstance(recording, Appended):
            self._metrics.media.labels("lost", reason).inc()
            get_logger().warning(
                "a file is lost", line=message.line, reason=reason, message_event=message.event.key
            )

    async def _remove(self, object_id: UUID) -> None:
        with contextlib.suppress(StoreError):
            await self._store.remove(object_id)
            await self._objects.drop(object_id)
