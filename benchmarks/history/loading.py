"""A history into an empty log: a process for each shard, and this one, which puts events in order and copies.

Positions follow the order of recording, and each copy is one commit of the log. Indexes are made at the end.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from typing import Any, Final
from uuid import UUID

import asyncpg

from benchmarks.history import places, rows
from benchmarks.history.episodes import Shard
from benchmarks.history.places import Places
from benchmarks.history.plan import SHARDS, Plan
from benchmarks.history.rows import Row
from gateway.store.keyring import Masters, pepper_bound_to
from projections.sql import load as load_sql

OF_A_COMMIT: Final = 200_000
OF_A_BLOCK: Final = 1_000
OF_A_WRITE: Final = 256
"""Events."""

_EMPTY: Final = "select not exists (select from {0}.stored_events) and not exists (select from {0}.directory)"
_WITHOUT: Final = """
set synchronous_commit = off;
alter table {0}.stored_events drop constraint stored_events_pkey;
drop index {0}.stored_events_notification_id_idx;
alter table {0}.event_keys drop constraint event_keys_pkey;
"""
_WITH: Final = """
set maintenance_work_mem = '512MB';
alter table {0}.stored_events add primary key (originator_id, originator_version);
create unique index stored_events_notification_id_idx on {0}.stored_events (notification_id);
alter table {0}.event_keys add primary key (key);
"""


@dataclass(frozen=True, slots=True)
class Where:
    """A migrated schema with an empty log, and the master keys that the log gets."""

    url: str
    schema: str
    master_keys: Sequence[bytes]


async def load(where: Where, plan: Plan, say: Callable[[str], None] = print) -> int:
    """Fill the log; how many events it holds then. ValueError where it is not empty."""
    db = await asyncpg.connect(where.url)
    try:
        if not await db.fetchval(_EMPTY.format(where.schema)):
            raise ValueError(f"the log in {where.schema} is not empty")
        log_id = await _begin(db, where, plan)
        await db.execute(_WITHOUT.format(where.schema))
        with _shards(where, plan, log_id) as found:
            position = await _copy_all(db, where.schema, heapq.merge(*found), say)
        say("indexes")
        await db.execute(_WITH.format(where.schema))
        await db.execute("vacuum analyze")
    finally:
        await db.close()
    return position


async def _begin(db: asyncpg.Connection[Any], where: Where, plan: Plan) -> UUID:
    log_id: UUID = await db.fetchval(load_sql("gateway.store", "queries.sql", where.schema)["identity"])
    wrapped = Masters(where.master_keys).wrap(plan.pepper, pepper_bound_to(log_id))
    begin = load_sql("gateway.store", "directory.sql", where.schema)["begin"]
    await db.execute(begin, wrapped.data, wrapped.master_id)
    return log_id


async def _copy_all(
    db: asyncpg.Connection[Any], schema: str, merged: Iterator[Row], say: Callable[[str], None]
) -> int:
    position = 0
    while part := list(islice(merged, 1)):
        commit, keys = chain(part, islice(merged, OF_A_COMMIT - 1)), list[bytes]()
        async with db.transaction():
            source = _events(commit, keys, position)
            await _copy(db, schema, "stored_events", rows.EVENT, source)
            await _copy(db, schema, "event_keys", rows.KEY, _bytes(keys))
        position += len(keys)
        say(f"{position:,} events")
    return position


async def _copy(
    db: asyncpg.Connection[Any], schema: str, table: str, columns: list[str], source: AsyncIterator[bytes]
) -> None:
    await db.copy_to_table(table, schema_name=schema, columns=columns, format="binary", source=source)


async def _events(commit: Iterator[Row], keys: list[bytes], position: int) -> AsyncIterator[bytes]:
    yield rows.HEADER
    while some := list(islice(commit, OF_A_WRITE)):
        events = []
        for row in some:
            position += 1
            event, key = rows.placed(row, position)
            events.append(event)
            keys.append(key)
        yield b"".join(events)
    yield rows.TRAILER


async def _bytes(keys: list[bytes]) -> AsyncIterator[bytes]:
    yield rows.HEADER
    for start in range(0, len(keys), 10_000):
        yield b"".join(keys[start : start + 10_000])
    yield rows.TRAILER


@contextmanager
def _shards(where: Where, plan: Plan, log_id: UUID) -> Iterator[list[Iterator[Row]]]:
    """What each shard's process makes; they are ended when nobody wants more."""
    context = get_context("spawn")
    with ExitStack() as stack:
        found = []
        for nth in range(SHARDS):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_make, args=(theirs, where, plan, nth, log_id), daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(process.terminate)
            theirs.close()
            found.append(_received(ours))
        yield found


def _received(pipe: Pipe) -> Iterator[Row]:
    while block := pipe.recv():
        yield from block


def _make(pipe: Pipe, where: Where, plan: Plan, nth: int, log_id: UUID) -> None:
    """In a process of its own."""
    gc.disable()  # nothing here makes cycles, and looking for them costs a tenth
    directory = Places(plan.ids, log_id, Masters(where.master_keys), shard=nth)
    made = rows.rows(plan, Shard(plan, nth), directory, log_id)
    while block := list(islice(made, OF_A_BLOCK)):
        pipe.send(block)
    asyncio.run(_people(where, directory))
    pipe.send([])


async def _people(where: Where, directory: Places) -> None:
    db = await asyncpg.connect(where.url)
    try:
        for table, columns, records in (
            ("people", places.PEOPLE, directory.people),
            ("person_aliases", places.ALIASES, directory.aliases),
            ("person_keys", places.KEYS, directory.keys),
            ("conversations", places.CONVERSATIONS, directory.conversations),
        ):
            await db.copy_records_to_table(table, schema_name=where.schema, columns=columns, records=records)
    finally:
        await db.close()
