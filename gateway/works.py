"""Works in the background: each goes on for as long as the gateway runs, whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.logs import get_logger, where

PAUSE: Final = 5.0
"""Seconds until a work that failed begins anew."""


async def go_on(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work until it is done or cancelled; an error in it is logged, and it begins anew."""
    while True:
        try:
            return await work()
        except Exception as error:  # noqa: BLE001 - a work that ended unseen would be missed by nobody
            for one in error.exceptions if isinstance(error, ExceptionGroup) else (error,):
                get_logger().error(
                    "a background work failed", work=name, error=type(one).__name__, where=where(one)
                )
        await asyncio.sleep(PAUSE)
