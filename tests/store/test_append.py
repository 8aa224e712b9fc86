"""What the log's functions append, and what the database refuses whoever asks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4, uuid5

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model import Item, Model

from gateway.store.outcomes import Appended, Draft
from gateway.store.postgres import Connection, Pool, append_together
from gateway.store.tail import Tail
from gateway.store.writer import Writer

SCHEMA = "ledgerline"
APPEND = "select * from ledgerline.append_events_1($1, $2, $3, $4, $5, $6, $7)"
TOGETHER = "select * from ledgerline.append_together_1($1, $2, $3, $4, $5, $6)"
CHANGES = (
    "update ledgerline.stored_events set topic = 'other'",
    "delete from ledgerline.stored_events",
    "truncate ledgerline.stored_events",
)


async def append(db: Connection, epoch: int, *items: Item) -> Any:
    return await db.fetchrow(
        APPEND,
        epoch,
        [item.stream for item in items],
        [item.expected for item in items],
        ["topic"] * len(items),
        [b"{}"] * len(items),
        [item.key for item in items],
        [item.token for item in items],
    )


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ["origin", "replica"])
async def test_not_even_a_superuser_changes_what_is_stored(database: str, change: str, role: str) -> None:
    db = await asyncpg.connect(database)
    try:
        assert await db.fetchval("select rolsuper from pg_roles where rolname = current_user")
        await append(db, 0, Item(uuid4(), uuid4()))
        await db.execute(f"set session_replication_role = {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the log is append-only"):
            await db.execute(change)
        assert await db.fetchval("select topic from ledgerline.stored_events") == "topic"
    finally:
        await db.close()


@pytest.mark.parametrize(
    "statement",
    [
        *CHANGES,
        "insert into ledgerline.stored_events values (gen_random_uuid(), 1, 'topic', '', 1)",
        "insert into ledgerline.event_keys values (gen_random_uuid(), 1, 1)",
        "delete from ledgerline.event_keys",
        "update ledgerline.log_head set floor = 7",
        "alter table ledgerline.stored_events disable trigger append_only",
        "drop table ledgerline.stored_events",
    ],
)
async def test_the_serving_role_writes_the_log_through_its_functions_only(pool: Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_an_old_snapshot_appends_nothing(pool: Pool, isolation: Any) -> None:
    async with pool.acquire() as db:
        with pytest.raises(asyncpg.InvalidTransactionStateError):
            async with db.transaction(isolation=isolation):
                await append(db, 0, Item(uuid4(), uuid4()))
        with pytest.raises(asyncpg.InvalidTransactionStateError):
            async with db.transaction(isolation=isolation):
                await append_together(db, SCHEMA, [Draft(uuid4(), "topic", b"{}", uuid4(), 1)])


async def test_a_key_twice_in_one_batch_is_refused(pool: Pool) -> None:
    key = uuid4()
    async with pool.acquire() as db:
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await append(db, 0, Item(key, uuid4()), Item(key, uuid4()))
        twice = [Draft(uuid4(), "topic", b"{}", key, 1), Draft(uuid4(), "topic", b"{}", key, 1)]
        with pytest.raises(asyncpg.UniqueViolationError):
            await append_together(db, SCHEMA, twice)
    assert await pool.fetchval("select count(*) from ledgerline.stored_events") == 0


@pytest.mark.parametrize("short", range(6))
async def test_arrays_of_different_lengths_are_refused(pool: Pool, short: int) -> None:
    arrays: list[Any] = [[uuid4(), uuid4()], [None] * 2, ["t"] * 2, [b""] * 2, [uuid4(), uuid4()], [1, 2]]
    arrays[short] = arrays[short][:1]
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await pool.fetchrow(APPEND, 0, *arrays)
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await pool.fetchrow(TOGETHER, *arrays)


@pytest.mark.parametrize(("first", "second"), [(0, None), (None, 0), (0, 0), (0, 1)])
async def test_who_expects_a_version_is_alone_in_its_stream(
    pool: Pool, first: int | None, second: int | None
) -> None:
    stream = uuid4()
    async with pool.acquire() as db:
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await append(db, 0, Item(uuid4(), stream, first), Item(uuid4(), stream, second))


ITEMS = st.tuples(st.integers(0, 9), st.integers(0, 3), st.none() | st.integers(0, 4), st.integers(1, 2))
BATCHES = st.lists(ITEMS, min_size=1, max_size=8, unique_by=lambda item: item[0])
STEPS = st.lists(st.none() | st.tuples(st.sampled_from([0, 0, 0, 1]), BATCHES), min_size=1, max_size=12)
"""None: the epoch changes; else how many epochs ago a batch was sealed, and the batch."""


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_batches_are_judged_as_if_their_items_came_one_by_one(pool: Pool, steps: list[Any]) -> None:
    seed = uuid4()
    async with pool.acquire() as db:
        head = await db.fetchval("select coalesce(max(notification_id), 0) from ledgerline.stored_events")
        model = Model(head, await db.fetchval("select epoch from ledgerline.log_head"))
        for step in steps:
            if step is None:
                model.epoch += 1
                assert await db.fetchval("select ledgerline.next_epoch_1()") == model.epoch
                continue
            ago, batch = step
            streams = [stream for _, stream, _, _ in batch]
            items = [
                Item(
                    uuid5(seed, f"key {key}"),
                    uuid5(seed, f"stream {stream}"),
                    expected if streams.count(stream) == 1 else None,
                    token,
                )
                for key, stream, expected, token in batch
            ]
            epoch, outcomes, versions, positions = await append(db, model.epoch - ago, *items)
            assert epoch == model.epoch
            if ago:
                assert outcomes is None
                continue
            expected = [model.append(item) for item in items]
            told = zip(outcomes, versions, positions, strict=True)
            assert [
                (outcome, version, None if outcome == "conflict" else position)
                for outcome, version, position in told
            ] == expected
        rows = await db.fetch(
            "select notification_id, originator_id, originator_version from ledgerline.stored_events"
            " where notification_id > $1 order by notification_id",
            head,
        )
        assert [tuple(row) for row in rows] == model.stored
        for stream, last in model.versions.items():
            assert [version for _, one, version in model.stored if one == stream] == [*range(1, last + 1)]


async def test_a_follower_sees_every_position_of_several_writers_in_order(database: str, pool: Pool) -> None:
    streams = [uuid4() for _ in range(5)]

    async def write(writer: Writer, first: int) -> list[Appended]:
        appended = []
        for number in range(first, first + 20):
            drafts = [Draft(streams[(number + one) % 5], "topic", b"{}", uuid4(), number) for one in range(3)]
            appended += await writer.append(drafts, 0, patience=60)
        return [one for one in appended if isinstance(one, Appended)]

    async def follow(tail: Tail, total: int) -> list[int]:
        seen = [0]
        while seen[-1] < total:
            page = await tail.after(seen[-1], 50)
            seen += [one.position for one in page]
            if not page:
                await tail.wait()
        return seen[1:]

    async with AsyncExitStack() as stack:
        tail = await stack.enter_async_context(Tail.open(database, pool, SCHEMA))
        writers = [await stack.enter_async_context(Writer.open(database, pool, SCHEMA)) for _ in range(4)]
        followers = [asyncio.create_task(follow(tail, 960)) for _ in range(2)]
        written = await asyncio.gather(*(write(writer, n * 20) for writer in writers for n in range(4)))
        every = [*range(1, 961)]
        assert await asyncio.gather(*followers) == [every, every]
    assert sorted(one.position for part in written for one in part) == every
    for part in written:
        assert [one.position for one in part] == sorted(one.position for one in part)
    rows = await pool.fetch(
        "select originator_id, array_agg(originator_version order by notification_id) as versions"
        " from ledgerline.stored_events group by originator_id"
    )
    assert {row["originator_id"]: row["versions"] for row in rows} == {
        stream: [*range(1, 193)] for stream in streams
    }
