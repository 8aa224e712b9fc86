"""`make flat`: whether appends stay as fast in a large log as in an empty one; in turns, in one run."""

from __future__ import annotations

import os
import secrets
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import uvloop

from benchmarks.appends import appended
from benchmarks.history.loading import Where, load
from benchmarks.history.plan import Plan
from benchmarks.server import server
from gateway.store.log import Log
from gateway.store.migrate import migrate
from gateway.store.postgres import connect_pool

EVENTS: Final = int(os.environ.get("FLAT_EVENTS", "10000000"))
CALLERS: Final = 256
APPENDS: Final = 30_000
ROUNDS: Final = 5
AIM: Final = 1.3
EMPTY: Final = "bench_empty"
LARGE: Final = "bench_large"
_SIZE: Final = f"""
select pg_size_pretty(pg_total_relation_size('{LARGE}.stored_events')) || ' of events, '
  || pg_size_pretty(pg_total_relation_size('{LARGE}.event_keys')) || ' of keys'
"""


def main() -> None:
    """Run, and end with 1 when the large log is slower by more than the aim."""
    sys.exit(uvloop.run(_main()))


async def _main() -> int:
    async with server("flat") as (url, _):
        return await _compare(url)


async def _compare(url: str) -> int:
    keys = [secrets.token_bytes(32)]
    await _fill(url, keys)
    async with _log(url, EMPTY, keys) as empty, _log(url, LARGE, keys) as large:
        pairs = [(await _rate(empty), await _rate(large)) for _ in range(ROUNDS)]
    slower = statistics.median(one / other for one, other in pairs)
    for one, other in pairs:
        print(f"appends, {CALLERS} callers: {one:,.0f}/s when empty, {other:,.0f}/s when large")
    print(f"median of {ROUNDS}: slower by {slower:.2f}, aim {AIM:g}")
    return 0 if slower <= AIM else 1


async def _rate(log: Log) -> float:
    return (await appended(log, CALLERS, APPENDS)).rate


async def _fill(url: str, keys: list[bytes]) -> None:
    await migrate(url, LARGE)
    started = time.perf_counter()
    made = await load(Where(url, LARGE, keys), Plan(EVENTS))
    db = await asyncpg.connect(url)
    try:
        size = await db.fetchval(_SIZE)
    finally:
        await db.close()
    print(f"{made:,} events made in {time.perf_counter() - started:,.0f} s: {size}")


@asynccontextmanager
async def _log(url: str, schema: str, keys: list[bytes]) -> AsyncIterator[Log]:
    await migrate(url, schema)
    async with connect_pool(url, schema) as pool, Log.open(url, pool, schema, master_keys=keys) as log:
        yield log


if __name__ == "__main__":
    main()
