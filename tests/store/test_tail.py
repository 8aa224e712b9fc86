"""What followers share: each part of the log is read once, for all that are there."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from running import until

from gateway.store import tail as tail_module
from gateway.store.outcomes import Draft
from gateway.store.postgres import HoleError, Pool, Postgres, append_together, connect
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


async def follow(tail: Tail, total: int) -> list[int]:
    """What a follower sees until it has seen so many."""
    seen: list[int] = []
    while len(seen) < total:
        page = await positions(tail, len(seen), 100)
        seen += page
        if not page:
            await tail.wait()
    return seen


async def listening(admin: asyncpg.Connection[asyncpg.Record]) -> int | None:
    """The session that waits for hints; None while there is none."""
    select = "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'"
    return await admin.fetchval(select)


NEVER = 3_600.0
"""A poll interval that no test waits for."""


async def test_a_hint_that_is_lost_costs_no_event(database: str, pool: Pool) -> None:
    async with Tail.open(database, pool, SCHEMA, poll=0.05) as tail:
        following = asyncio.create_task(follow(tail, 6))
        for number in range(6):
            # Not by a writer: nobody is told of it.
            async with pool.acquire() as db, db.transaction():
                await append_together(db, SCHEMA, [Draft(uuid4(), "topic", b"{}", uuid4(), number)])
        assert await following == [*range(1, 7)]


async def test_what_came_while_nobody_listened_is_found_when_the_tail_listens_again(
    database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_listen = asyncio.Event()
    may_listen.set()

    async def connect_later(url: str, schema: str) -> asyncpg.Connection[asyncpg.Record]:
        await may_listen.wait()
        return await connect(url, schema)

    monkeypatch.setattr(tail_module, "connect", connect_later)
    monkeypatch.setattr(tail_module, "ALIVE_EVERY", NEVER)
    admin = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(30), Tail.open(database, pool, SCHEMA, poll=NEVER) as tail:
            following = asyncio.create_task(follow(tail, 9))
            for _ in range(3):
                while (pid := await listening(admin)) is None:
                    pass
                may_listen.clear()
                await admin.execute("select pg_terminate_backend($1, 5000)", pid)
                await grow(database, pool, 3)
                may_listen.set()
            assert await following == [*range(1, 10)]
    finally:
        await admin.close()


async def test_a_follower_is_woken_by_another_gateways_writer(database: str, pool: Pool) -> None:
    async with asyncio.timeout(30), Tail.open(database, pool, SCHEMA, poll=NEVER) as tail:
        following = asyncio.create_task(follow(tail, 40))
        for _ in range(4):
            await asyncio.gather(*(grow(database, pool, 5) for _ in range(2)))
        assert await following == [*range(1, 41)]


async def test_a_hint_between_a_look_and_the_wait_ends_the_wait(database: str, pool: Pool) -> None:
    async with asyncio.timeout(30), Tail.open(database, pool, SCHEMA, poll=NEVER) as tail:
        await tail.wait()  # it listens
        assert await positions(tail, 0, 100) == []
        heard = tail._hints
        await grow(database, pool, 1)
        await until(lambda: asyncio.sleep(0, tail._hints > heard))
        await tail.wait()
        assert await positions(tail, 0, 100) == [1]


async def test_what_was_read_before_a_failover_is_read_again(database: str, pool: Pool) -> None:
    admin = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(30), Tail.open(database, pool, SCHEMA, poll=NEVER) as tail:
            await tail.wait()
            await grow(database, pool, 3)
            assert [one.topic for one in await tail.after(0, 10)] == ["topic"] * 3
            # Another server, on which the last position went to another event.
            await admin.execute("alter table ledgerline.stored_events disable trigger append_only")
            await admin.execute(
                "update ledgerline.stored_events set topic = 'other' where notification_id = 3"
            )
            before = await listening(admin)
            await admin.execute("select pg_terminate_backend($1, 5000)", before)

            async def listens_again() -> bool:
                return await listening(admin) not in (None, before)

            await until(listens_again)
            assert [one.topic for one in await tail.after(0, 10)] == ["topic", "topic", "other"]
    finally:
        await admin.close()


async def test_nobody_reads_past_a_hole(database: str, pool: Pool) -> None:
    await grow(database, pool, 5)
    tail = Tail(pool, SCHEMA)
    assert await positions(tail, 0, 2) == [1, 2]
    admin = await asyncpg.connect(database)
    try:
        await admin.execute("alter table ledgerline.stored_events disable trigger append_only")
        await admin.execute("delete from ledgerline.stored_events where notification_id = 3")
    finally:
        await admin.close()
    for reader in (tail, Tail(pool, SCHEMA), Postgres(pool, SCHEMA)):
        for after in (0, 1, 2):
            with pytest.raises(HoleError, match="position 3 is missing: the next one is 4"):
                await reader.after(after, 100)
        assert [one.position for one in await reader.after(3, 100)] == [4, 5]
