from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import asyncpg
import pytest
from histories import log_of, message
from logs import SCHEMA, Item, MemoryLog, project

from domain.events import Recorded, Undecodable
from gateway.store.postgres import Pool
from projections.rows import Connection
from projections.runner import CheckpointBeyondHeadError, Lag, Runner, attempt
from projections.window import WindowProjection


class Tally:
    """Counts events in a way that shows each one that is folded twice or never."""

    name = "tally_v1"

    def __init__(self, poison: Sequence[int] = ()) -> None:
        self.poison = poison
        self.folding = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    @staticmethod
    def ddl(schema: str) -> str:
        return f"create table if not exists {schema}.tally_v1 (position bigint)"

    async def fold(self, db: Connection, page: Sequence[Recorded]) -> None:
        positions = [(item.position,) for item in page]
        await db.copy_records_to_table("tally_v1", schema_name=SCHEMA, records=positions)
        for item in page:
            if item.position in self.poison:
                raise ValueError(item.position)
        self.folding.set()
        await self.go_on.wait()


@pytest.fixture
async def tally(admin: str) -> Tally:
    db = await asyncpg.connect(admin)
    await db.execute(Tally.ddl(SCHEMA))
    await db.execute("grant all on ledgerline.tally_v1 to public")
    await db.close()
    return Tally()


async def counted(pool: Pool) -> list[int]:
    return [
        row["position"] for row in await pool.fetch("select position from ledgerline.tally_v1 order by 1")
    ]


def messages(count: int) -> list[Recorded]:
    return log_of(message() for _ in range(count))


async def test_two_runners_at_once_fold_each_event_once(pool: Pool, tally: Tally) -> None:
    log = messages(300)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(project(pool, MemoryLog(log, [1, 7, 3]), [tally]))

    assert await counted(pool) == list(range(1, 301))


async def test_a_runner_killed_between_fold_and_commit_leaves_nothing_behind(
    pool: Pool, tally: Tally
) -> None:
    log = MemoryLog(messages(20))
    tally.go_on.clear()
    running = asyncio.create_task(Runner([tally], pool, log, schema=SCHEMA).run())
    await tally.folding.wait()
    running.cancel()
    await asyncio.wait([running])
    assert await counted(pool) == []

    tally.go_on.set()
    await project(pool, log, [tally])

    assert await counted(pool) == list(range(1, 21))


BARRIER = """
create function ledgerline.wait_here() returns trigger language plpgsql as
  $$ begin perform pg_advisory_xact_lock(7); return new; end $$;
create trigger wait_here before update on ledgerline.projection_checkpoints
  for each row execute function ledgerline.wait_here();
select pg_advisory_lock(7)
"""
"""A page is folded, and its checkpoint cannot be written before the lock is given back."""


async def test_a_session_killed_between_page_and_checkpoint_leaves_nothing_behind(
    admin: str, pool: Pool, tally: Tally
) -> None:
    log = MemoryLog(messages(20))
    db = await asyncpg.connect(admin)
    await db.execute(BARRIER)
    running = asyncio.create_task(Runner([tally], pool, log, schema=SCHEMA).run())
    waits = "select pid from pg_locks where locktype = 'advisory' and not granted"
    while (pid := await db.fetchval(waits)) is None:
        pass
    assert tally.folding.is_set()
    await db.execute("select pg_terminate_backend($1, 5000)", pid)
    assert await counted(pool) == []
    assert await pool.fetchval("select position from ledgerline.projection_checkpoints") == 0

    await db.close()  # which gives the lock back
    while not await counted(pool):
        await log.wait()
    running.cancel()
    await asyncio.wait([running])

    assert await counted(pool) == list(range(1, 21))


class Overtaken(MemoryLog):
    """A log whose page is in the hands of a reader while somebody else folds it."""

    overtake: Callable[[], Awaitable[object]] | None = None

    async def after(self, position: int, limit: int) -> list[Item]:
        page = await super().after(position, limit)
        if self.overtake is not None:
            overtake, self.overtake = self.overtake, None
            await overtake()
        return page


async def test_a_page_that_somebody_else_folds_meanwhile_is_not_folded_again(
    pool: Pool, tally: Tally
) -> None:
    log = messages(20)
    slow = Overtaken(log)
    slow.overtake = lambda: project(pool, MemoryLog(log, [7]), [tally])
    await project(pool, slow, [tally])

    assert await counted(pool) == list(range(1, 21))


async def test_a_runner_outlives_the_loss_of_its_connections(admin: str, pool: Pool, tally: Tally) -> None:
    log = MemoryLog(messages(20))
    tally.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Runner([tally], pool, log, schema=SCHEMA).run())
        await tally.folding.wait()
        tally.folding.clear()
        db = await asyncpg.connect(admin)
        await db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and datname = current_database()"
        )
        await db.close()
        tally.go_on.set()
        await tally.folding.wait()
        running.cancel()
    await project(pool, log, [tally])

    assert await counted(pool) == list(range(1, 21))


class Troubled(Tally):
    """The database says these SQLSTATEs, one after the other, before it folds."""

    def __init__(self, *troubles: str) -> None:
        super().__init__()
        self.troubles = list(troubles)

    async def fold(self, db: Connection, page: Sequence[Recorded]) -> None:
        if self.troubles:
            trouble = self.troubles.pop()
            await db.execute(f"do $$ begin raise exception using errcode = '{trouble}'; end $$")
        await super().fold(db, page)


@pytest.mark.usefixtures("tally")
async def test_trouble_of_the_database_makes_no_dead_letter(pool: Pool) -> None:
    log, disk_full, deadlock, cancelled = MemoryLog(messages(20)), "53100", "40P01", "57014"
    troubled = Troubled(disk_full, deadlock, cancelled)
    running = asyncio.create_task(Runner([troubled], pool, log, schema=SCHEMA).run())
    while not await counted(pool):
        await log.wait()
    running.cancel()
    await asyncio.wait([running])

    assert await counted(pool) == list(range(1, 21))
    assert await dead_letters(pool) == []


async def test_a_poison_event_is_a_dead_letter_and_the_rest_goes_on(pool: Pool, tally: Tally) -> None:
    tally.poison = (3, 8)
    runner = await project(pool, MemoryLog(messages(10), [6]), [tally])

    assert await counted(pool) == [1, 2, 4, 5, 6, 7, 9, 10]
    assert await dead_letters(pool) == [("tally_v1", 3, "ValueError"), ("tally_v1", 8, "ValueError")]
    assert await runner.lag() == {"tally_v1": Lag(position=10, head=10, dead_letters=2)}


@pytest.mark.parametrize("type_", ["te\0xt", "te\ud800xt"])
async def test_a_text_that_the_database_refuses_costs_only_its_own_event(pool: Pool, type_: str) -> None:
    log = log_of([message(), message(type=type_), message()])
    await project(pool, MemoryLog(log))

    stored = await pool.fetchval("select count(*) from ledgerline.messages")
    assert stored == 2
    assert [(name, position) for name, position, _ in await dead_letters(pool)] == [("messages_v2", 2)]


async def test_an_event_that_this_release_can_not_read_is_a_dead_letter(pool: Pool, tally: Tally) -> None:
    log = MemoryLog([*messages(2), Undecodable(3, "SendDreamt", "UnknownTopic")])
    await project(pool, log, [tally])

    assert await counted(pool) == [1, 2]
    assert await dead_letters(pool) == [("tally_v1", 3, "UnknownTopic")]


async def test_a_checkpoint_beyond_the_head_stops_everything(pool: Pool) -> None:
    projection = WindowProjection(SCHEMA)
    await project(pool, MemoryLog(messages(5)), [projection])
    restored = MemoryLog(messages(3))

    with pytest.raises(ExceptionGroup) as stopped:
        await Runner([projection], pool, restored, schema=SCHEMA).run()

    assert stopped.group_contains(CheckpointBeyondHeadError, match="window_v2 stands at 5")


async def test_the_lag_tells_position_and_head_of_each_projection(pool: Pool, tally: Tally) -> None:
    log = MemoryLog(messages(5))
    runner = await project(pool, log, [tally])
    log.extend(replace(item, position=item.position + 5) for item in messages(2))

    assert await runner.lag() == {"tally_v1": Lag(position=5, head=7, dead_letters=0)}


async def dead_letters(pool: Pool) -> list[tuple[str, int, str]]:
    select = "select projection, position, error from ledgerline.dead_letters order by 1, 2"
    return [tuple(row) for row in await pool.fetch(select)]


async def test_a_fold_whose_transaction_never_began_is_no_loose_end(pool: Pool, tally: Tally) -> None:
    """Warnings are errors here, of a coroutine that nobody awaited too."""
    async with pool.acquire() as db:
        await db.execute("begin")
        with pytest.raises(asyncpg.InterfaceError):
            await attempt(db, tally.fold(db, []))
        await db.execute("rollback")
        gc.collect()


async def test_only_what_is_made_from_the_log_may_be_lost_with_the_server(pool: Pool, tally: Tally) -> None:
    """The session goes back to the pool, and the next one to take it may append."""
    await project(pool, MemoryLog(messages(20), [1]), [tally])
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(pool.acquire()) for _ in range(pool.get_size())]
        told = [await session.fetchval("show synchronous_commit") for session in sessions]
    assert set(told) == {"on"}
