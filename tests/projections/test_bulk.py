"""A log folded in parts, in any order and by several at once, is what the tables are that grew live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest
from histories import HOUR, NOW, histories, log_of, message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import SCHEMA, Item, MemoryLog, contents, project, start_over, store
from running import until

from domain.events import Event, Recorded, Undecodable
from gateway import replay
from gateway.processes import beside
from gateway.store.postgres import Pool
from projections import bulk, catalogue
from projections.bulk import StoppedError
from projections.checksum import Checksum, checksum
from projections.rebuild import Rebuild
from projections.rows import Connection

Spoil = Callable[[list[Recorded], int], list[Item]]
NAMES = [projection.name for projection in catalogue.projections(SCHEMA)]
INDEXES = "select indexdef from pg_indexes where schemaname = 'ledgerline' order by 1"


@pytest.fixture
async def db(admin: str) -> AsyncIterator[Connection]:
    """A connection that may make tables."""
    connection = await asyncpg.connect(admin)
    yield connection
    await connection.close()


@pytest.fixture
async def other(admin: str) -> AsyncIterator[Connection]:
    """Another one."""
    connection = await asyncpg.connect(admin)
    yield connection
    await connection.close()


def rebuilding(db: Connection, log: MemoryLog, name: str = "window_v2", maker: str = "1") -> Rebuild:
    def named(schema: str):  # noqa: ANN202 - one of the catalogue's
        return next(one for one in catalogue.projections(schema) if one.name == name)

    return Rebuild(named, db, log, schema=SCHEMA, maker=maker)


async def begun(db: Connection, log: MemoryLog, name: str = "window_v2") -> Rebuild:
    build = rebuilding(db, log, name)
    await build.begin()
    assert await build.bulk.begin() == bool(log.items)
    return build


async def sums(db: Connection) -> list[Checksum]:
    return [await checksum(db, projection, SCHEMA) for projection in catalogue.projections(SCHEMA)]


def messages(count: int, persons: int | None = None) -> list[Recorded]:
    """Of so many persons, who write one after the other; each at an earlier time."""
    return log_of(
        message(
            originator_id=UUID(int=n % (persons or count) + 1),
            key=str(UUID(int=n + 1)),
            at_used=NOW - n * HOUR,
        )
        for n in range(count)
    )


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, part=st.integers(1, 12), page=st.integers(1, 5), merged=st.integers(1, 3))
async def test_parts_in_any_number_by_two_at_once_are_what_grew_live(
    history: list[Event],
    part: int,
    page: int,
    merged: int,
    pool: Pool,
    db: Connection,
    other: Connection,
) -> None:
    log = MemoryLog(log_of(history))
    await start_over(pool)
    await project(pool, log)
    live, held = await sums(db), await contents(pool, exact=True)
    indexes = await db.fetch(INDEXES)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bulk, "PART", part)
        patched.setattr(bulk, "PAGE", page)
        patched.setattr(bulk, "MERGED", merged)
        for name in NAMES:
            one, two = await begun(db, log, name), await begun(other, log, name)
            await asyncio.gather(one.bulk.work(), two.bulk.work())
            await asyncio.gather(one.bulk.finish(), two.bulk.finish())
            await one.catch_up()
            assert await one.switch() == len(log.items)

    assert await sums(db) == live
    assert await contents(pool, exact=True) == held
    assert await db.fetch(INDEXES) == indexes


async def test_the_parts_of_one_that_was_killed_are_left_to_the_others(
    pool: Pool, db: Connection, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART", 7)
    log = MemoryLog(messages(50, 3))
    await project(pool, log)
    expected = await sums(db)
    killed = await asyncpg.connect(admin)
    first = await begun(killed, log)
    told: list[tuple[int, int]] = []

    def kill(standing: bulk.Standing) -> None:
        told.append((standing.folded, standing.parts))
        if standing.folded >= 21:
            killed.terminate()

    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresError)):
        await first.bulk.work(kill)
    assert told == [(7, 7), (14, 6), (21, 5)]
    log.extend(log_of([message(originator_id=UUID(int=99))], after=50))

    second = rebuilding(db, log)
    assert await second.begin() == 21
    assert await second.bulk.begin()
    await second.bulk.work()
    await second.bulk.finish()
    assert not await second.bulk.begin()
    await second.catch_up()
    assert await second.switch() == 51
    await project(pool, log)
    held = await sums(db)
    await start_over(pool)
    await project(pool, log)
    assert await sums(db) == held
    assert held != expected


async def test_whoever_waits_for_the_part_of_another_takes_it_when_that_one_dies(
    db: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART", 5)
    log = MemoryLog(messages(10))
    slow = MemoryLog(log.items)
    one = await begun(db, log)
    two = await begun(other, slow)
    holding = asyncio.Event()

    async def never(*_: object) -> list[Item]:
        holding.set()
        await asyncio.Event().wait()
        raise AssertionError

    slow.between = never  # type: ignore[method-assign] # it never comes to an end
    stuck = asyncio.create_task(two.bulk.work())
    await holding.wait()
    others_only = asyncio.Event()

    def moved(standing: bulk.Standing) -> None:
        if standing.parts == 1:
            others_only.set()

    working = asyncio.create_task(one.bulk.work(moved))
    await others_only.wait()
    stuck.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stuck
    await working

    assert (await one.bulk.standing()) == bulk.Standing(10, 10, 0, 10)


def broken(**public: object) -> Spoil:
    """A log whose event at a position holds this."""

    def spoil(log: list[Recorded], position: int) -> list[Item]:
        event = replace(log[position - 1].event, **public)  # type: ignore[arg-type] # fields of messages
        return [*log[: position - 1], Recorded(position, event), *log[position:]]

    return spoil


def unreadable(log: list[Recorded], position: int) -> list[Item]:
    return [*log[: position - 1], Undecodable(position, "Later", "UnknownTopic"), *log[position:]]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (broken(message_key="no uuid"), "ValueError"),
        (broken(at_used=2**64), "OverflowError"),
        (broken(type="\0"), "CharacterNotInRepertoireError"),
        (unreadable, "UnknownTopic"),
    ],
)
async def test_an_event_that_cannot_be_folded_stops_it_right_before(
    spoil: Spoil, word: str, pool: Pool, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART", 12)
    sound = messages(30)
    log = spoil(sound, 17)
    await project(pool, MemoryLog(log))
    build = await begun(db, MemoryLog(log), "messages_v2")
    for _ in range(2):
        with pytest.raises(StoppedError, match=rf"messages_v2: the event at position 17 .* \({word}\)"):
            await build.bulk.work()
        standing = await build.bulk.standing()
        assert standing is not None
        assert (standing.first, standing.folded) == (16, 16)

    mended = rebuilding(db, MemoryLog(sound), "messages_v2")
    assert await mended.begin() == 16
    await mended.bulk.work()
    await mended.bulk.finish()
    await mended.switch()
    expected = await checksum(db, catalogue.projections(SCHEMA)[1], SCHEMA)
    await start_over(pool)
    await project(pool, MemoryLog(sound))
    assert await checksum(db, catalogue.projections(SCHEMA)[1], SCHEMA) == expected


@pytest.mark.parametrize("topic", ["CallReceived", "TemplateChanged"])
async def test_an_event_of_others_is_not_even_read(
    topic: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART", 12)
    sound = messages(30)
    log = MemoryLog([*sound[:16], Undecodable(17, topic, "MissingField"), *sound[17:]])
    build = await begun(db, log, "messages_v2")
    await build.bulk.work()
    await build.bulk.finish()
    log.extend([Undecodable(31, topic, "MissingField")])
    await build.catch_up()
    assert await build.switch() == 31
    assert await db.fetchval("select count(*) from ledgerline.messages_v1") == 29


async def test_another_release_leaves_no_parts_behind(db: Connection) -> None:
    log = MemoryLog(messages(10))
    await (await begun(db, log)).bulk.work()
    other = rebuilding(db, log, maker="2")
    assert await other.begin() == 0
    assert await other.bulk.standing() is None


async def test_a_table_in_which_most_rows_were_doubled_takes_no_more_room(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART", 10)
    build = await begun(db, MemoryLog(messages(2_000, 10)))
    await build.bulk.work()
    size = "select pg_relation_size('ledgerline_rebuild.window_v2')"
    before = await db.fetchval(size)
    await build.bulk.finish()
    assert await db.fetchval("select count(*) from ledgerline_rebuild.window_v2") == 10
    assert await db.fetchval(size) == 8192 < before


class Silent:
    """Nobody who is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def moved(self, _name: str, position: int, head: int) -> None:
        self.seen.append((position, head))

    def say(self, _text: str) -> None:
        pass


async def test_other_processes_fold_all_parts_without_the_one_that_began_them(
    db: Connection, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART", 40)
    log = messages(1_000, 7)
    await store(admin, log)
    build = rebuilding(db, MemoryLog(log))
    await build.begin()
    await build.bulk.begin()

    async def folded() -> bool:
        return await build.bulk.standing() == bulk.Standing(1_000, 1_000, 0, 1_000)

    with beside(2, replay.help_rebuild, admin, admin, SCHEMA, "window_v2"):
        await until(folded, seconds=60)


async def test_a_rebuild_by_two_processes_is_what_grew_live(
    pool: Pool, db: Connection, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART", 40)
    log = messages(1_000, 7)
    await store(admin, log)
    await project(pool, MemoryLog(log))
    live, silent = await sums(db), Silent()
    for projection in catalogue.projections(SCHEMA)[:2]:
        where = replay.Where(pool, SCHEMA, admin, admin)
        await replay.rebuild(where, projection, silent, diff=True, workers=2)
    assert await sums(db) == live
    assert (1_000, 1_000) in silent.seen
