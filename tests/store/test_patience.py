from __future__ import annotations

import asyncio

import pytest

from gateway.store.patience import within


async def answer() -> int:
    await asyncio.sleep(0)
    return 7


async def test_what_comes_in_time_is_given() -> None:
    assert await within(5, answer()) == 7


async def test_an_error_is_the_callers() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await within(5, fails())


async def test_work_that_ignores_its_end_is_left_alone() -> None:
    """The rollback of a silent server: `asyncio.timeout` would wait for it."""
    ended = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await ended.wait()
            raise OSError

    with pytest.raises(TimeoutError):
        await within(0.01, stubborn())
    assert not ended.is_set()
    ended.set()


async def test_the_end_of_the_caller_is_the_end_of_its_work() -> None:
    was_cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    caller = asyncio.create_task(within(60, work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await was_cancelled.wait()
