"""Sends whose outcome nobody knows: given up when their gateway died, settled as soon as WhatsApp speaks.

Everything here looks at what is, not at what just happened: after a crash, a lost hint or a race the next
look finds the same, and what somebody else recorded already is a duplicate (docs/how-it-works.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg

from domain import sends
from domain.events import Recorded, SendSettled, SendUnknown, StatusReceived
from domain.sends import Send
from gateway.logs import get_logger, where
from gateway.metrics import Metrics
from gateway.sends import standing
from gateway.store.log import Log
from gateway.store.outcomes import Appended, InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE, Pool
from projections.messages_query import Messages, Reported

PATIENCE: Final = 10.0
"""Seconds that a caller waits for a status before it is told that nothing is known."""
GRACE: Final = 30.0
"""Seconds beyond the upstream timeout after which a dispatch without an outcome is given up."""
REST: Final = 0.1
"""Seconds that statuses gather before they are looked at."""
SWEEP: Final = 5.0
"""Seconds between two looks for dispatches without an outcome."""
AT_ONCE: Final = 500


class Hints(Protocol):
    """Tells when the log may have grown."""

    async def wait(self) -> None:
        """Return on a hint, or after some seconds."""


class Settler:
    """One for each gateway; any number may work on one log."""

    def __init__(
        self,
        log: Log,
        pool: Pool,
        messages: Messages,
        *,
        clock: Callable[[], datetime],
        metrics: Metrics,
        timeout: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout`: of the upstream, in seconds."""
        self._log = log
        self._pool = pool
        self._messages = messages
        self._clock = clock
        self._metrics = metrics
        self._given_up = timeout + GRACE
        self._monotonic = monotonic
        self._since: dict[tuple[UUID, int], float] = {}
        self._idle: set[int] = set()
        """Positions of what settles nothing: of an attempt before, or of a person who was forgotten."""
        self._stuck: set[UUID] = set()
        """Sends that can't be given up: their person was forgotten."""
        self._waiting: dict[UUID, asyncio.Future[dict[str, Any]]] = {}

    async def run(self, hints: Hints) -> None:
        """Settle and give up until cancelled; outlives the loss of the database."""
        swept = self._monotonic() - SWEEP
        while True:
            await hints.wait()
            await asyncio.sleep(REST)
            with contextlib.suppress(*_AWAY):
                await self.settle()
                await self._tell()
                if self._monotonic() - swept >= SWEEP:
                    swept = self._monotonic()
                    await self.sweep()

    async def known_soon(self, one: Send) -> dict[str, Any] | None:
        """`message_id` and `wa_id` of an unknown send, should a status come within seconds; else None."""
        key = sends.settled_key(self._log.ids, one.send_id, one.attempt)
        told: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[key] = told
        try:
            async with asyncio.timeout(PATIENCE):
                return await told
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(key, None)

    async def _tell(self) -> None:
        """Answer those who wait for a settlement, by whichever gateway it was recorded."""
        if not self._waiting:
            return
        found = await self._log.by_keys([*self._waiting])
        contents = await self._log.opened([item.event for item in found.values()])
        for (key, item), content in zip(found.items(), contents, strict=True):
            told = self._waiting.get(key)
            if told and not told.done() and _is_accepted(item):
                told.set_result(content or {})

    async def settle(self) -> None:
        """Record what WhatsApp's statuses say of unknown sends."""
        async with self._pool.acquire() as db:
            reported = await self._messages.reported(db, without=self._idle, limit=AT_ONCE)
        if not reported:
            return
        found = await self._log.events_at(sorted({one.position for one in reported}))
        statuses = [item for item in found if isinstance(item, Recorded)]
        contents = await self._log.opened([item.event for item in statuses])
        told: dict[tuple[int, int | None], dict[str, Any]] = {}
        for item, content in zip(statuses, contents, strict=True):
            if isinstance(item.event, StatusReceived) and content is not None:
                told[item.position, item.event.attempt] = content
        for one in reported:
            said, is_settled = told.get((one.position, one.attempt)), False
            with _apart(one.send_id):
                is_settled = said is not None and await self._settle(one, said)
            if not is_settled:
                self._idle.add(one.position)

    async def _settle(self, reported: Reported, content: dict[str, Any]) -> bool:
        """Whether the send could be settled; not when its person was forgotten."""
        found = await standing.read(self._log, reported.send_id)
        if found is None or (one := found.send(self._log)) is None:
            return False
        told = content.get("recipient") or None
        fact = replace(one, attempt=reported.attempt).settled(
            "accepted", "status", self._clock(), message_id=content["message_id"], wa_id=told
        )
        [recording] = await self._log.record([fact], patience=PATIENCE)
        if isinstance(recording, Appended):
            self._metrics.settled.labels("accepted", "status").inc()
        return True

    async def sweep(self) -> None:
        """Give up dispatches without an outcome: their gateway died, or WhatsApp never answered it."""
        async with self._pool.acquire() as db:
            waiting = await self._messages.open(db, without=self._stuck, limit=AT_ONCE)
        now = self._monotonic()
        self._since = {one: self._since.get(one, now) for one in waiting}
        for (send_id, attempt), since in self._since.items():
            if now - since >= self._given_up:
                with _apart(send_id):
                    await self._give_up(send_id, attempt)

    async def _give_up(self, send_id: UUID, attempt: int) -> None:
        found = await standing.read(self._log, send_id)
        one = found.send(self._log) if found else None
        if one is None:
            self._stuck.add(send_id)
        if one is None or one.attempt != attempt:
            return
        fact = one.outcome(SendUnknown, self._clock(), {"cause": "no outcome was recorded"}, {})
        [recording] = await self._log.record([fact], patience=PATIENCE)
        if isinstance(recording, Appended):
            self._metrics.given_up.inc()
            get_logger().warning("a send without an outcome counts as unknown", send_id=str(send_id))


_AWAY: Final = (NotTaken, InDoubt, asyncpg.PostgresError, *DATABASE_GONE)


@contextlib.contextmanager
def _apart(send_id: UUID) -> Iterator[None]:
    """What is wrong with one send costs the others nothing: logged."""
    try:
        yield
    except _AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are still to be looked at
        get_logger().error(
            "a send can't be settled", send_id=str(send_id), error=type(error).__name__, where=where(error)
        )


def _is_accepted(item: Recorded) -> bool:
    return isinstance(item.event, SendSettled) and item.event.settled_as == "accepted"
