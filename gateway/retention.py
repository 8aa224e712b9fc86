"""Content past its time: its keys are dropped, and with them every copy of it becomes unreadable."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import asyncpg

from gateway.gateway import Clock
from gateway.logs import get_logger
from gateway.store.log import Log
from gateway.store.postgres import DATABASE_GONE

PAUSE: Final = 3600.0
"""Seconds between two looks."""


async def forget_old_content(log: Log, clock: Clock, months: int | None) -> None:
    """Drop expired keys now and every hour, until cancelled.

    What identifies nobody is kept for 90 days; persons' content for `months` whole months beside the current
    one, or for ever.
    """
    while True:
        now = clock()
        try:
            await log.drop_expired_keys(now, None if months is None else _oldest_month(now, months))
        except (asyncpg.PostgresError, *DATABASE_GONE) as error:
            get_logger().warning("old content waits for the database", error=type(error).__name__)
        await asyncio.sleep(PAUSE)


def _oldest_month(now: datetime, months: int) -> int:
    """202611 with three months kept is 202608."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return year * 100 + month + 1
