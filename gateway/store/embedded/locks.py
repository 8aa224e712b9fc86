"""Waiting for a lock between processes without holding up the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.store.embedded import guard


@asynccontextmanager
async def hold(path: Path) -> AsyncIterator[int]:
    """Wait for the lock and hold it alone; gives its descriptor, which a child may inherit."""
    while (lock := guard.try_lock(path)) is None:  # noqa: ASYNC110 - another process lets go: no event tells
        await asyncio.sleep(guard.PAUSE / 2)
    try:
        yield lock
    finally:
        os.close(lock)
