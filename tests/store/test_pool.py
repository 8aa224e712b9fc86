from __future__ import annotations

import asyncio

import pytest
from opened import SCHEMA

from gateway.store.postgres import connect_pool


async def test_connections_go_to_whoever_has_waited_longest(database: str) -> None:
    given: list[str] = []
    async with connect_pool(database, SCHEMA, size=1) as pool:

        async def ask(who: str, turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            async with pool.acquire():
                given.append(who)

        async with asyncio.TaskGroup() as tasks, pool.acquire():
            tasks.create_task(ask("first", 0))
            for _ in range(5):
                await asyncio.sleep(0)
            # They ask while the connection is given back, one at each turn of the loop.
            for turns in range(20):
                tasks.create_task(ask("later", turns))
    assert given == ["first"] + ["later"] * 20


async def test_a_connection_that_nobody_gives_back_is_not_waited_for_without_end(database: str) -> None:
    async with connect_pool(database, SCHEMA, size=1) as pool:
        async with pool.acquire():
            with pytest.raises(TimeoutError):
                await pool.acquire(timeout=0.01).__aenter__()
            leaving = asyncio.create_task(pool.fetchval("select 1"))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        assert await pool.fetchval("select 1") == 1
