"""Reading a log of realistic history, beside rows of the same log that nobody decodes."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from typing import Final

from benchmarks.history.loading import Where
from benchmarks.table import Figure, Say, medians
from domain.events import Recorded
from gateway import replay
from gateway.cli.serve import collect_seldom
from gateway.store.log import Log
from gateway.store.postgres import Pool, connect_pool
from gateway.store.tail import Tail
from projections.counts import CountsProjection
from projections.messages import MessagesProjection
from projections.runner import CATCH_UP_PAGE
from projections.sql import load
from projections.window import WindowProjection

REBUILT: Final = (WindowProjection.name, MessagesProjection.name, CountsProjection.name)
CORES: Final = os.cpu_count() or 1
PAGE: Final = 10_000
"""Events that a rebuild reads at once (projections/rebuild.py)."""
CONVERSATION: Final = 1_000
READS: Final = 20
_BUSIEST: Final = "select originator_id from {}.stored_events group by 1 order by count(*) desc limit 1"

Read = Callable[[int], Awaitable[int]]
"""Reads a page after a position; the page's last position, or 0 when there was none."""


async def compare(where: Where, *, rounds: int, say: Say) -> None:
    """Figures of one consumer, of one conversation, and of the larger projections rebuilt."""
    collect_seldom()  # as every gateway does
    async with (
        connect_pool(where.url, where.schema) as pool,
        Log.open(where.url, pool, where.schema, master_keys=where.master_keys) as log,
    ):
        await _tails(where, pool, log, rounds, say)
        await _conversation(where, pool, log, rounds, say)
        await _rebuilds(where, pool, rounds, say)


async def _tails(where: Where, pool: Pool, log: Log, rounds: int, say: Say) -> None:
    tail, plain = Tail(pool, where.schema), _plainly(pool, where.schema, CATCH_UP_PAGE)

    async def sealed(position: int) -> int:
        page = await tail.after(position, CATCH_UP_PAGE)
        return page[-1].position if page else 0

    async def opened(position: int) -> int:
        page = await tail.after(position, CATCH_UP_PAGE)
        await log.opened([item.event for item in page if isinstance(item, Recorded)])
        return page[-1].position if page else 0

    for name, read, aim in (("left sealed", sealed, "200,000/s"), ("opened", opened, "80,000/s")):
        pairs = [(await _rate(read), await _rate(plain)) for _ in range(rounds)]
        say(Figure(f"the log for one consumer, {name} / bare rows", *medians(pairs), aim=aim))


async def _conversation(where: Where, pool: Pool, log: Log, rounds: int, say: Say) -> None:
    stream = await pool.fetchval(_BUSIEST.format(where.schema))
    sql = load("gateway.store", "queries.sql", where.schema)["streams"]
    amount = len(await log.history([stream], 0, CONVERSATION))
    pairs = []
    for _ in range(rounds * READS):
        ours = await _took(log.history([stream], 0, CONVERSATION))
        pairs.append((ours, await _took(pool.fetch(sql, [stream], 0, CONVERSATION))))
    name = f"a conversation's first {amount:,} events / bare rows"
    say(Figure(name, *medians(pairs), aim="10 ms", unit=" ms"))


async def _rebuilds(where: Where, pool: Pool, rounds: int, say: Say) -> None:
    plain, amount = _plainly(pool, where.schema, PAGE), await _head(pool, where.schema)
    for projection in replay.named(REBUILT, where.schema):
        pairs = []
        for _ in range(rounds):
            theirs = await _rate(plain)
            there = replay.Where(pool, where.schema, where.url, where.url)
            took = await _took(replay.rebuild(there, projection, _Silent(), diff=False, workers=CORES))
            pairs.append((amount / took * 1_000, theirs))
        say(Figure(f"rebuild of {projection.name} / bare rows", *medians(pairs), aim="100,000/s"))


def _plainly(pool: Pool, schema: str, limit: int) -> Read:
    sql = load("gateway.store", "queries.sql", schema)["after"]

    async def read(position: int) -> int:
        rows = await pool.fetch(sql, position, limit)
        return rows[-1]["notification_id"] if rows else 0

    return read


async def _rate(read: Read) -> float:
    """Events a second, from the first to the last one."""
    position, started = 0, time.perf_counter()
    while last := await read(position):
        position = last
    return position / (time.perf_counter() - started)


async def _took(work: Awaitable[object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    await work
    return (time.perf_counter() - started) * 1_000


async def _head(pool: Pool, schema: str) -> int:
    return int(await pool.fetchval(load("gateway.store", "queries.sql", schema)["head"]))


class _Silent:
    def moved(self, name: str, position: int, head: int) -> None:
        pass

    def say(self, text: str) -> None:
        pass
