"""A follower of a naive store loses events; a follower of ours, in the same race, never."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.store.postgres import Pool
from tests.chaos.naive_store import Naive
from tests.chaos.race import Append, Ours, by_group, crowded, forced, together


@pytest.fixture
async def naive(database: str) -> Naive:
    async with asyncpg.create_pool(database) as pool:
        store = Naive(pool)
        await store.make()
        yield store


async def test_a_naive_store_loses_what_is_committed_late(naive: Naive, database: str) -> None:
    run = await forced(naive, database)

    assert run.committed == [1, 2]
    assert run.seen == [2]


@pytest.mark.parametrize("slow", [by_group, together])
@pytest.mark.parametrize("quick", [by_group, together])
async def test_ours_lets_nobody_commit_past_an_open_append(
    pool: Pool, database: str, slow: Append, quick: Append
) -> None:
    run = await forced(Ours(pool, slow, quick), database)

    assert run.committed == [1, 2]
    assert run.seen == [1, 2]


async def test_a_crowd_of_writers_makes_a_naive_store_lose_events(naive: Naive, database: str) -> None:
    run = await crowded(naive, database)

    assert len(set(run.committed)) == 480
    assert run.lost != []


async def test_a_crowd_of_writers_costs_ours_nothing(pool: Pool, database: str) -> None:
    run = await crowded(Ours(pool, by_group, together), database)

    assert run.seen == [*range(1, 481)]
    assert sorted(run.committed) == run.seen
