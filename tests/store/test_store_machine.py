"""Two writers, readers and followers of one log in any order of use and loss, judged by a list in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from effort import examples
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from model import Item, Model, Stored

from domain.events import Recorded, SendDispatched, Undecodable, make
from gateway.store import writer
from gateway.store.codec import encode
from gateway.store.outcomes import Appended, Conflict, Draft, Duplicate, Outcome, Stale
from gateway.store.postgres import DATABASE_GONE, Connection, Pool, Postgres, append_together, connect_pool
from gateway.store.tail import Tail
from gateway.store.writer import Writer

SCHEMA = "ledgerline"
PATIENCE = 60.0
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
T = TypeVar("T")

ITEMS = st.tuples(st.integers(0, 30), st.integers(0, 4), st.sampled_from([None, None, 0, 1, -1]))
"""Key, stream, and how far the expected version is off; None: any version."""
CALLS = st.lists(ITEMS, min_size=1, max_size=6)
WHO = st.integers(0, 1)


class DeafWriter(Writer):
    """A writer that can miss the answer to its next append: committed, and nobody was told."""

    is_deaf = False

    async def _connected(self) -> Any:
        connection = await super()._connected()
        if not self.is_deaf:
            return connection
        self.is_deaf = False
        return _Cut(connection)


class _Cut:
    """A connection that is cut between the commit and the answer."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def fetchrow(self, *arguments: Any, **more: Any) -> None:
        await self._connection.fetchrow(*arguments, **more)
        raise asyncpg.ConnectionDoesNotExistError("cut after the commit")

    def terminate(self) -> None:
        self._connection.terminate()


class _TakenBackError(Exception):
    """A transaction that is rolled back after its append."""


class World:
    """The real store: two gateways' writers, and a follower with a short memory."""

    def __init__(self, pool: Pool, admin: Connection, writers: list[DeafWriter], tail: Tail) -> None:
        self.pool = pool
        self.admin = admin
        self.writers = writers
        self.tail = tail
        self.reader = Postgres(pool, SCHEMA)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[World]:
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(connect_pool(url, SCHEMA, size=4))
            admin = await asyncpg.connect(url, server_settings={"application_name": "judge"})
            stack.push_async_callback(admin.close)
            writers = [await stack.enter_async_context(DeafWriter.open(url, pool, SCHEMA)) for _ in range(2)]
            tail = await stack.enter_async_context(Tail.open(url, pool, SCHEMA))
            tail._recent = deque(maxlen=12)
            yield cls(pool, admin, writers, tail)

    async def kill(self) -> None:
        """Every session of the gateways dies."""
        await self.admin.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and application_name = 'ledgerline'"
        )

    async def trying(self, read: Callable[[], Awaitable[T]]) -> T:
        """A read, again while its connection is one of those that died."""
        for _ in range(20):
            try:
                return await read()
            except DATABASE_GONE:
                await asyncio.sleep(0.01)
        return await read()


def _end(*, commits: bool) -> None:
    if not commits:
        raise _TakenBackError


def drafts_of(items: Sequence[Item]) -> list[Draft]:
    return [Draft(item.stream, *_event(item), item.key, item.token, item.expected) for item in items]


def _event(item: Item) -> tuple[str, bytes]:
    event = make(
        SendDispatched, item.stream, recorded_at=NOW, line=None, key=item.key, send_id="x", attempt=1
    )
    return encode(event)


def places(found: Sequence[Recorded | Undecodable]) -> list[Stored]:
    """Where events stand; one that can't be read is no place."""
    events = [(one.position, one.event) for one in found if isinstance(one, Recorded)]
    assert len(events) == len(found)
    return [Stored(position, event.originator_id, event.originator_version) for position, event in events]


class StoreMachine(RuleBasedStateMachine):
    """Each run begins where the last one left the log, with keys and streams of its own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.opening = World.open(url)
        self.world = self.run(self.opening.__aenter__())
        self.start = self.run(self.world.reader.head())
        _, epoch = self.run(self.world.reader.identity())
        self.model = Model(self.start, epoch)
        self.tokens = count(1)
        self.followed: list[Stored] = []
        self.keys = [uuid4() for _ in range(31)]
        self.streams = [uuid4() for _ in range(5)]
        self.sent: list[Item] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def items(self, call: Sequence[tuple[int, int, int | None]]) -> list[Item]:
        """Items of a call; expectations are relative to what the stream holds before it."""
        return [
            Item(
                self.keys[key],
                self.streams[stream],
                None if off is None else max(0, self.model.versions.get(self.streams[stream], 0) + off),
                next(self.tokens),
            )
            for key, stream, off in call
        ]

    def judged(self, items: Sequence[Item]) -> list[Outcome]:
        """What the model says becomes of the items."""
        self.sent += items
        return [outcome(*self.model.append(item)) for item in items]

    async def append(self, who: int, items: Sequence[Item]) -> list[Outcome]:
        return await self.world.writers[who].append(drafts_of(items), self.model.epoch, patience=PATIENCE)

    @rule(who=WHO, call=CALLS)
    def append_a_call(self, who: int, call: list[Any]) -> None:
        items = self.items(call)
        assert self.run(self.append(who, items)) == self.judged(items)

    @rule(who=WHO, data=st.data())
    def append_again_by_the_same_token(self, who: int, data: st.DataObject) -> None:
        if self.sent:
            items = [data.draw(st.sampled_from(self.sent))]
            assert self.run(self.append(who, items)) == self.judged(items)

    @rule(who=WHO, call=CALLS, ago=st.integers(1, 3))
    def append_what_was_sealed_before_an_epoch(self, who: int, call: list[Any], ago: int) -> None:
        drafts = drafts_of(self.items(call))
        appending = self.world.writers[who].append(drafts, self.model.epoch - ago, patience=PATIENCE)
        told = self.run(appending)
        assert told == [Stale(self.model.epoch)] * len(call)

    @rule(key=st.integers(0, 30), stream=st.integers(0, 4), crowd=st.integers(2, 6))
    def one_key_from_everywhere_at_once(self, key: int, stream: int, crowd: int) -> None:
        async def together() -> list[list[Outcome]]:
            return await asyncio.gather(*(self.append(n % 2, [item]) for n, item in enumerate(items)))

        items = self.items([(key, stream, None)] * crowd)
        is_new = items[0].key not in self.model.keys
        told = [one for [one] in self.run(together())]
        first = next((n for n, one in enumerate(told) if isinstance(one, Appended)), 0)
        assert sum(isinstance(one, Appended) for one in told) == is_new
        ordered = [items[first], *items[:first], *items[first + 1 :]]
        assert [told[first], *told[:first], *told[first + 1 :]] == self.judged(ordered)

    @rule(stream=st.integers(0, 4), crowd=st.integers(2, 6))
    def one_version_expected_by_many_at_once(self, stream: int, crowd: int) -> None:
        async def together() -> list[list[Outcome]]:
            return await asyncio.gather(*(self.append(n % 2, [item]) for n, item in enumerate(items)))

        version = self.model.versions.get(self.streams[stream], 0)
        items = [Item(uuid4(), self.streams[stream], version, next(self.tokens)) for _ in range(crowd)]
        told = [one for [one] in self.run(together())]
        [winner] = [n for n, one in enumerate(told) if isinstance(one, Appended)]
        assert [told[winner]] == self.judged([items[winner]])
        assert told[:winner] + told[winner + 1 :] == [Conflict(version + 1)] * (crowd - 1)

    @rule(who=WHO, call=CALLS)
    def append_and_miss_the_answer(self, who: int, call: list[Any]) -> None:
        items = self.items(call)
        self.world.writers[who].is_deaf = True
        assert self.run(self.append(who, items)) == self.judged(items)

    @rule(who=WHO, call=CALLS)
    def append_while_every_session_dies(self, who: int, call: list[Any]) -> None:
        async def at_once() -> list[Outcome]:
            appending = asyncio.create_task(self.append(who, items))
            await self.world.kill()
            return await appending

        items = self.items(call)
        assert self.run(at_once()) == self.judged(items)

    @rule(who=WHO, call=CALLS)
    def go_away_while_it_is_appended(self, who: int, call: list[Any]) -> None:
        async def leave() -> None:
            appending = asyncio.create_task(self.append(who, items))
            await asyncio.sleep(0)
            appending.cancel()
            await asyncio.wait([appending])

        items = self.items(call)
        self.run(leave())
        self.judged(items)
        # The next one in the queue is answered after it.
        self.append_a_call(who, [call[0]])

    @rule(keys=st.lists(st.integers(0, 30), min_size=1, max_size=4), data=st.data(), commits=st.booleans())
    def append_all_or_nothing(self, keys: list[int], data: st.DataObject, *, commits: bool) -> None:
        async def together() -> bool:
            try:
                async with self.world.pool.acquire() as db, db.transaction():
                    await append_together(db, SCHEMA, drafts_of(items))
                    _end(commits=commits)
            except asyncpg.UniqueViolationError:
                return False
            except _TakenBackError:
                return True
            return True

        streams = data.draw(st.lists(st.integers(0, 4), min_size=len(keys), max_size=len(keys)))
        items = self.items([(key, stream, None) for key, stream in zip(keys, streams, strict=True)])
        is_possible = self.model.takes(items)
        assert self.run(self.world.trying(together)) == is_possible
        if commits and is_possible:
            self.judged(items)

    @rule()
    def next_epoch(self) -> None:
        grown = self.run(self.world.admin.fetchval("select ledgerline.next_epoch_1()"))
        self.model.epoch += 1
        assert grown == self.model.epoch

    @rule()
    def every_session_dies(self) -> None:
        self.run(self.world.kill())

    @rule(behind=st.integers(0, 20), limit=st.integers(1, 20))
    def read_after(self, behind: int, limit: int) -> None:
        after = max(self.start, self.model.head - behind)
        for reader in (self.world.reader, self.world.tail):
            found = self.run(self.world.trying(lambda one=reader: one.after(after, limit)))
            assert places(found) == self.model.after(after, limit)

    @rule(chosen=st.sets(st.integers(0, 4)), behind=st.integers(0, 20), limit=st.integers(1, 20))
    def read_streams(self, chosen: set[int], behind: int, limit: int) -> None:
        streams, after = [self.streams[one] for one in chosen], self.model.head - behind
        found = self.run(self.world.trying(lambda: self.world.reader.streams(streams, after, limit)))
        of_these = [one for one in self.model.stored if one.stream in streams and one.position > after]
        assert places(found) == of_these[:limit]

    @rule(chosen=st.sets(st.integers(0, 30)))
    def read_by_keys(self, chosen: set[int]) -> None:
        keys = [self.keys[one] for one in chosen]
        found = self.run(self.world.trying(lambda: self.world.reader.by_keys(keys)))
        assert {key: one.position for key, one in found.items()} == {
            key: self.model.keys[key][0] for key in keys if key in self.model.keys
        }

    @rule(limit=st.integers(1, 9))
    def follow(self, limit: int) -> None:
        after = self.followed[-1].position if self.followed else self.start
        self.followed += places(self.run(self.world.trying(lambda: self.world.tail.after(after, limit))))

    @invariant()
    def what_was_followed_is_what_was_stored(self) -> None:
        if self.followed:
            assert self.followed == self.model.stored[: len(self.followed)]

    def teardown(self) -> None:
        try:
            self.everything_is_stored_as_the_list_says()
        finally:
            self.run(self.opening.__aexit__(None, None, None))
            self.loop.close()

    def everything_is_stored_as_the_list_says(self) -> None:
        rows = self.run(self.world.trying(lambda: self.world.reader.after(self.start, 100_000)))
        assert places(rows) == self.model.stored
        by_stream: dict[UUID, list[int]] = {}
        for one in self.model.stored:
            by_stream.setdefault(one.stream, []).append(one.version)
        assert all(versions == [*range(1, len(versions) + 1)] for versions in by_stream.values())


def outcome(word: str, version: int, position: int | None) -> Outcome:
    match word, position:
        case "appended", int():
            return Appended(position, version)
        case "duplicate", int():
            return Duplicate(position, version)
        case _:
            return Conflict(version)


def test_the_store_is_what_a_list_would_be(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FIRST_PAUSE", 0.002)
    run_state_machine_as_test(
        lambda: StoreMachine(database),
        settings=settings(
            max_examples=examples(10),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            # A run takes half a second: looking for a shorter one would take minutes.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
