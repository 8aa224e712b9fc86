"""Waiting for the database for so long and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; TimeoutError after so many seconds.

    `asyncio.timeout` cancels and waits for the end of that, which a silent server keeps back: a statement is
    cancelled, and a transaction rolled back, by asking it. Here the work ends by itself.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=max(0.0, seconds))
    except asyncio.CancelledError:
        _leave(task)
        raise
    if not done:
        _leave(task)
        raise TimeoutError
    return task.result()


def _leave(task: asyncio.Future[Any]) -> None:
    task.add_done_callback(lambda left: left.cancelled() or left.exception())
    task.cancel()
