"""Rebuilding projections from a long log, beside plainly reading it."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable
from typing import Final

from benchmarks.history.loading import Where as History
from benchmarks.history.loading import load
from benchmarks.history.plan import Plan
from gateway import replay
from gateway.replay import Where
from gateway.store.migrate import migrate
from gateway.store.postgres import Pool, Postgres, connect_pool
from projections import catalogue

Row = Callable[[str, float, float, float], None]
SCHEMA: Final = "bench_rebuild"
EVENTS: Final = 300_000
AIM: Final = 1


class _Silent:
    def moved(self, name: str, position: int, head: int) -> None:
        pass

    def say(self, text: str) -> None:
        pass


async def compare(url: str, *, rounds: int, scale: float, say: Row) -> None:
    """A row for each of the larger projections."""
    await migrate(url, SCHEMA, extra_ddl=catalogue.ddl(SCHEMA))
    history = History(url, SCHEMA, [secrets.token_bytes(32)])
    amount = await load(history, Plan(int(EVENTS * scale)), say=lambda _: None)
    async with connect_pool(url, SCHEMA) as pool:
        where = Where(pool, SCHEMA, url)
        for projection in replay.named(["window_v2", "messages_v2", "counts_v2"], SCHEMA):
            ours, theirs = [], []
            for _ in range(rounds):
                theirs.append(amount / await _read(pool))
                started = time.perf_counter()
                await replay.rebuild(where, projection, _Silent(), diff=False)
                ours.append(amount / (time.perf_counter() - started))
            name = f"rebuild of {projection.name} / reading"
            say(name, statistics.median(ours), statistics.median(theirs), AIM)


async def _read(pool: Pool) -> float:
    log, position, started = Postgres(pool, SCHEMA), 0, time.perf_counter()
    while page := await log.after(position, 10_000):
        position = page[-1].position
    return time.perf_counter() - started
