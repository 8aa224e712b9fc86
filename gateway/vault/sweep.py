"""The vault tidied up: what dead gateways left, and what nobody can open any more."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

import asyncpg

from domain.events import MediaKept
from gateway.logs import get_logger
from gateway.metrics import Metrics
from gateway.store.postgres import DATABASE_GONE
from gateway.vault.objects import Gone
from gateway.vault.store import StoreError
from gateway.vault.vault import Vault, outcome_key

EVERY: Final = 5.0
"""Seconds between two looks for dead writers."""
FORGOTTEN: Final = 300.0
"""Seconds between two looks for files whose key is gone: they are unreadable already."""


class Sweep:
    """One for each gateway; any number may work on one log."""

    def __init__(self, vault: Vault, *, clock: Callable[[], datetime], metrics: Metrics) -> None:
        self._store = vault.store
        self._log = vault.log
        self._objects = vault.objects
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Sweep until cancelled; outlives the loss of the database and of the store."""
        looked = float("-inf")
        while True:
            with contextlib.suppress(asyncpg.PostgresError, *DATABASE_GONE):
                if time.monotonic() - looked >= FORGOTTEN:
                    await self.forget()
                    looked = time.monotonic()
                await self.tidy()
            await asyncio.sleep(EVERY)

    async def forget(self) -> None:
        """Mark the files whose person was forgotten, or whose time is over."""
        await self._objects.forget(self._clock())

    async def tidy(self) -> None:
        """End the claims of dead writers, and remove what is marked."""
        now = self._clock()
        await self._objects.give_up(now)
        for one in await self._objects.gone(now):
            if one.readable and await self._is_recorded(one):
                await self._objects.keep(one.object_id)
                continue
            try:
                await self._store.remove(one.object_id)
            except StoreError as error:
                get_logger().warning("a file can't be removed from the vault", error=error.cause)
                # Behind all others: it may be this one alone that stays.
                await self._objects.put_off(one.object_id, now)
                return
            await self._objects.drop(one.object_id)
            self._metrics.media.labels("removed", "").inc()

    async def _is_recorded(self, one: Gone) -> bool:
        """Whether its writer died behind the record."""
        key = outcome_key(self._log.ids, str(one.message))
        found = (await self._log.by_keys([key])).get(key)
        return (
            found is not None
            and isinstance(found.event, MediaKept)
            and found.event.object == str(one.object_id)
        )
