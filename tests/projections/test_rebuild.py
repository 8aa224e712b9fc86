"""A projection built anew is what the log says, and takes its place without anybody noticing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg
import pytest
from histories import histories, log_of, message
from hypothesis import HealthCheck, given, settings
from logs import SCHEMA, TABLES, Item, MemoryLog, contents, project, start_over

from domain.events import Event, Recorded, Undecodable
from gateway.store.migrate import migrate
from gateway.store.postgres import Pool
from projections import catalogue, rebuild
from projections.bulk import StoppedError
from projections.checksum import Checksum, checksum
from projections.rebuild import BusyError, Difference, Rebuild
from projections.rows import Connection
from projections.runner import Projection, Runner
from projections.shape import shape
from projections.window import WindowProjection

NAMES = [projection.name for projection in catalogue.projections(SCHEMA)]

on_one_database = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def db(admin: str) -> AsyncIterator[Connection]:
    """A connection that may make tables."""
    connection = await asyncpg.connect(admin)
    yield connection
    await connection.close()


def named(name: str) -> Callable[[str], Projection]:
    return lambda schema: next(one for one in catalogue.projections(schema) if one.name == name)


def rebuilding(db: Connection, log: MemoryLog, name: str = "window_v2", maker: str = "1") -> Rebuild:
    return Rebuild(named(name), db, log, schema=SCHEMA, maker=maker)


async def rebuilt(db: Connection, log: MemoryLog, names: Iterable[str] = NAMES) -> None:
    for name in names:
        build = rebuilding(db, log, name)
        await build.begin()
        await build.catch_up()
        await build.switch()


async def sums(db: Connection) -> list[Checksum]:
    return [await checksum(db, projection, SCHEMA) for projection in catalogue.projections(SCHEMA)]


def messages(count: int) -> list[Recorded]:
    """Of so many persons."""
    return log_of(message(originator_id=UUID(int=n + 1), key=str(UUID(int=n + 1))) for n in range(count))


async def poisoned(log: list[Recorded], position: int) -> list[Item]:
    broken = replace(log[position - 1].event, message_key="no uuid", key="")  # type: ignore[call-arg] # of messages
    return [*log[: position - 1], Recorded(position, broken), *log[position:]]


@on_one_database
@given(history=histories)
async def test_three_rebuilds_and_the_tables_that_grew_live_have_the_same_checksums(
    history: list[Event], pool: Pool, db: asyncpg.Connection[asyncpg.Record]
) -> None:
    log = log_of(history)
    await start_over(pool)
    growing = MemoryLog(pages=[3, 1, 4])
    for item in log:
        growing.extend([item])
        await project(pool, growing)
    live = await sums(db)
    held = await contents(pool, exact=True)

    for page in (10_000, 1, 3):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(rebuild, "PAGE", page)
            await rebuilt(db, MemoryLog(log))
        assert await sums(db) == live
    assert await contents(pool, exact=True) == held


async def test_a_checksum_tells_a_change_of_one_value(pool: Pool, db: Connection) -> None:
    await project(pool, MemoryLog(messages(5)))
    before = await sums(db)
    await pool.execute("update ledgerline.window_v2 set version = version + 1 where position = 3")
    after = await sums(db)
    assert [one.name for one, other in zip(before, after, strict=True) if one != other] == ["window_v2"]


async def test_a_rebuild_that_was_killed_goes_on_from_its_own_checkpoint(
    pool: Pool, db: Connection, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "PAGE", 7)
    log = MemoryLog(messages(50))
    await project(pool, log)
    expected = await sums(db)
    killed = await asyncpg.connect(admin)
    first = rebuilding(killed, log)
    await first.begin()

    def kill(_: int) -> None:
        if first.position >= 21:
            killed.terminate()

    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresError)):
        await first.catch_up(moved=kill)
    second = rebuilding(db, log)

    assert await second.begin() == 21
    await second.catch_up()
    await second.switch()
    assert await sums(db) == expected


async def test_what_another_release_began_is_begun_anew(db: Connection) -> None:
    log = MemoryLog(messages(10))
    first = rebuilding(db, log)
    await first.begin()
    await first.catch_up()

    assert await rebuilding(db, log).begin() == 10
    assert await rebuilding(db, log, maker="2").begin() == 0
    assert await db.fetchval("select count(*) from ledgerline_rebuild.window_v2") == 0


async def test_two_rebuilds_of_the_same_projection_do_not_mix(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "PAGE", 2)
    log = MemoryLog(messages(10))
    one, other = rebuilding(db, log), rebuilding(db, log)
    await one.begin()
    await other.begin()

    def overtaken(_: int) -> None:
        one.position -= 1

    with pytest.raises(BusyError):
        await one.catch_up(4, overtaken)


async def test_an_event_that_cannot_be_folded_stops_a_rebuild_right_before_it(
    db: Connection, pool: Pool
) -> None:
    log = await poisoned(messages(30), 17)
    await project(pool, MemoryLog(log))
    for _ in range(2):
        build = rebuilding(db, MemoryLog(log), "messages_v2")
        await build.begin()
        with pytest.raises(StoppedError, match=r"messages_v2: the event at position 17 .* \(ValueError\)"):
            await build.catch_up()
        assert build.position == 16

    mended = MemoryLog(messages(30))
    build = rebuilding(db, mended, "messages_v2")
    await build.begin()
    await build.catch_up()
    await build.switch()

    assert await pool.fetch("select * from ledgerline.dead_letters where projection = 'messages_v2'") == []


async def test_an_event_that_cannot_be_read_stops_a_rebuild_too(db: Connection) -> None:
    log = MemoryLog([*messages(3), Undecodable(4, "Later", "UnknownTopic")])
    build = rebuilding(db, log)
    await build.begin()
    with pytest.raises(StoppedError, match=r"position 4 can't be folded \(UnknownTopic\)"):
        await build.catch_up()


async def test_differences_are_told_by_key(pool: Pool, db: Connection, admin: str) -> None:
    log = MemoryLog(messages(3))
    await project(pool, log)
    keys = [row[0] for row in await pool.fetch("select message_key from ledgerline.messages_v1 order by 1")]
    await pool.execute("delete from ledgerline.messages_v1 where message_key = $1", keys[0])
    await pool.execute("update ledgerline.messages_v1 set type = 'other' where message_key = $1", keys[1])
    await pool.execute(
        "insert into ledgerline.send_references_v1 values (gen_random_uuid(), gen_random_uuid())"
    )
    build = rebuilding(db, log, "messages_v2")
    await build.begin()
    await build.catch_up()
    beside = await asyncpg.connect(admin)
    found = [one async for one in build.differences(beside)]
    await beside.close()

    nobody = "00000000-0000-0000-0000-000000000000"
    pair = ["message_key", "participant"]
    assert found[1:] == [
        Difference("messages_v1", pair, f"{keys[0]}, {nobody}", "missing"),
        Difference("messages_v1", pair, f"{keys[1]}, {nobody}", "different"),
    ]
    assert (found[0].table, found[0].found) == ("send_references_v1", "extra")


async def test_what_served_before_is_kept_until_it_is_dropped(pool: Pool, db: Connection) -> None:
    log = MemoryLog(messages(3))
    await project(pool, log)
    await rebuilt(db, log, ["window_v2", "messages_v2"])
    await rebuilt(db, log, ["window_v2"])
    windows, others = rebuilding(db, log), rebuilding(db, log, "messages_v2")

    assert await windows.kept() == ["window_v2"]
    assert await db.fetchval("select count(*) from ledgerline_old.window_v2") == len(log.items)
    await windows.drop_old()
    assert (await windows.kept(), await others.kept()) == (
        [],
        ["messages_v1", "send_references_v1", "sends_v2"],
    )
    await others.drop_old()
    assert await db.fetchval("select to_regnamespace('ledgerline_old')") is None


async def test_a_runner_goes_on_in_the_tables_that_took_the_place(pool: Pool, db: Connection) -> None:
    """Its sessions have prepared statements that take rows of the tables that are gone."""
    log = MemoryLog(messages(20))
    runner = Runner(catalogue.projections(SCHEMA), pool, log, schema=SCHEMA)
    for _ in range(3):
        await runner.catch_up()
        await rebuilt(db, log)
        log.extend(item for item in messages(len(log.items) + 5)[len(log.items) :])
        for name in NAMES[:2]:
            await rebuilding(db, log, name).drop_old()
        await runner.catch_up()
    held = await sums(db)
    assert all(one.position == len(log.items) for one in held)

    await start_over(pool)
    await project(pool, log)
    assert await sums(db) == held
    assert await pool.fetch("select * from ledgerline.dead_letters") == []


async def test_who_reads_is_waited_for_and_no_reader_fails(pool: Pool, db: Connection) -> None:
    """A reader that locks two tables one after the other, in every order, against the switch of both."""
    log = MemoryLog(messages(50))
    await project(pool, log)
    views = ["messages", "sends", "send_references"]
    read, stop = 0, asyncio.Event()

    async def reads(first: str, second: str) -> None:
        nonlocal read
        while not stop.is_set():
            async with pool.acquire() as reader, reader.transaction():
                a = await reader.fetchval(f"select count(*) from ledgerline.{first}")  # noqa: S608
                b = await reader.fetchval(f"select count(*) from ledgerline.{second}")  # noqa: S608
                assert {first: a, second: b}.get("messages", 50) == 50
            read += 1
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        for n in range(3):
            tasks.create_task(reads(views[n], views[(n + 1) % 3]))
            tasks.create_task(reads(views[(n + 1) % 3], views[n]))
        for _ in range(4):
            await rebuilt(db, log, ["messages_v2"])
        stop.set()

    assert read > 0


async def test_the_serving_role_keeps_its_rights(db: Connection) -> None:
    acl = (
        "select relname, relacl::text, relowner from pg_class "
        "where relnamespace = 'ledgerline'::regnamespace and relkind = 'r' order by 1"
    )
    before = await db.fetch(acl)
    await rebuilt(db, MemoryLog(messages(3)))
    assert await db.fetch(acl) == before


@dataclass
class NextWindow(WindowProjection):
    """The same, in tables of the next version."""

    name = "window_v9"

    def __init__(self, schema: str) -> None:
        super().__init__(schema)
        self._sql = {block: text.replace("window_v2", "window_v9") for block, text in self._sql.items()}

    @staticmethod
    def ddl(schema: str) -> str:
        return WindowProjection.ddl(schema).replace("window_v2", "window_v9")


async def shown(db: Connection) -> int:
    return int(await db.fetchval("select count(*) from ledgerline.windows"))


async def test_a_new_version_is_not_shown_before_it_has_caught_up(
    pool: Pool, db: Connection, admin: str
) -> None:
    await project(pool, MemoryLog(messages(7)))
    newer = shape(NextWindow(SCHEMA), SCHEMA)
    for _ in range(2):
        await migrate(admin, SCHEMA, extra_ddl=[newer.make, newer.show_first])
        assert await shown(db) == 7
    assert await db.fetchval(newer.elsewhere)

    await db.execute(newer.show)

    assert await shown(db) == 0
    assert not await db.fetchval(newer.elsewhere)
    older = shape(WindowProjection(SCHEMA), SCHEMA)
    await migrate(admin, SCHEMA, extra_ddl=[older.make, older.show_first])
    assert await shown(db) == 0


def test_every_definition_is_known_in_parts() -> None:
    shapes = [shape(projection, SCHEMA) for projection in catalogue.projections(SCHEMA)]
    assert {table for one in shapes for table in one.tables} == TABLES.keys()
    assert all(one.views for one in shapes)
    assert not any("create table" in one.show for one in shapes)
