"""What followers share: each part of the log is read once, for all that are there."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from gateway.store.outcomes import Draft
from gateway.store.postgres import Pool
from gateway.store.tail import Tail
from gateway.store.writer import Writer

SCHEMA = "ledgerline"


async def grow(database: str, pool: Pool, amount: int) -> None:
    async with Writer.open(database, pool, SCHEMA) as writer:
        await writer.append(
            [Draft(uuid4(), "topic", b"{}", uuid4(), n) for n in range(amount)], 0, patience=60
        )


def counted(tail: Tail) -> list[int]:
    """The positions after which the tail reads from the database, from now on."""
    reads: list[int] = []
    read = tail._log.after

    async def after(position: int, limit: int) -> object:
        reads.append(position)
        return await read(position, limit)

    tail._log.after = after  # type: ignore[assignment,method-assign]
    return reads


async def positions(tail: Tail, after: int, limit: int) -> list[int]:
    return [one.position for one in await tail.after(after, limit)]


async def test_many_that_ask_at_once_need_two_reads(database: str, pool: Pool) -> None:
    tail = Tail(pool, SCHEMA)
    await grow(database, pool, 30)
    assert await positions(tail, 0, 10) == [*range(1, 11)]
    assert await positions(tail, 10, 100) == [*range(11, 31)]
    await grow(database, pool, 5)
    reads = counted(tail)
    for found in await asyncio.gather(*(positions(tail, 30, 100) for _ in range(50))):
        assert found == [*range(31, 36)]
    assert len(reads) <= 2
    await grow(database, pool, 1)
    assert await positions(tail, 35, 100) == [36]


async def test_a_reader_far_behind_takes_nothing_from_those_at_the_head(database: str, pool: Pool) -> None:
    tail = Tail(pool, SCHEMA)
    await grow(database, pool, 30)
    assert await positions(tail, 0, 10) == [*range(1, 11)]
    assert await positions(tail, 25, 100) == [*range(26, 31)]
    assert await positions(tail, 10, 10) == [*range(11, 21)]
    reads = counted(tail)
    assert await positions(tail, 25, 3) == [26, 27, 28]
    assert reads == []
    assert await positions(tail, 10**9, 10) == []
    assert await positions(tail, 25, 3) == [26, 27, 28]
    assert reads == [10**9]
