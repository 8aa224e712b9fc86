"""`make flat`: whether appends stay as fast in a large log as in an empty one.

The large log is made by the database itself, far faster than by appending: streams of very different
lengths (a few conversations hold most events), states of the usual size, a key for each event.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import asyncpg

from benchmarks.appends import rate
from gateway.store.embedded import Embedded
from gateway.store.log import Log
from gateway.store.migrate import migrate
from gateway.store.postgres import connect_pool

EVENTS: Final = int(os.environ.get("FLAT_EVENTS", "10000000"))
AT_ONCE: Final = 500_000
"""Events that the database makes in one statement."""
CALLERS: Final = 256
APPENDS: Final = 30_000
ROUNDS: Final = 3
AIM: Final = 1.3
SCHEMA: Final = "bench_flat"

_EVENTS = f"""
insert into {SCHEMA}.stored_events (originator_id, originator_version, topic, state, notification_id)
select md5('stream' || floor(power(random(), 3) * $3)::bigint)::uuid, $1 + n, 'StatusReceived', $4, $1 + n
from generate_series(1, $2::bigint) n
"""  # noqa: S608 - the name is ours
_KEYS = f"""
insert into {SCHEMA}.event_keys (key, notification_id, token)
select gen_random_uuid(), $1 + n, n from generate_series(1, $2::bigint) n
"""  # noqa: S608 - the name is ours
_HEAD = f"select max(notification_id) from {SCHEMA}.stored_events"  # noqa: S608 - the name is ours


def main() -> None:
    """Run, and end with 1 when the large log is slower by more than the aim."""
    sys.exit(asyncio.run(_main()))


async def _main() -> int:
    with tempfile.TemporaryDirectory(prefix="ledgerline-flat-") as folder:
        server = await Embedded.start(Path(folder), say=lambda _: None)
        try:
            return await _compare(server.url)
        finally:
            await server.stop()


async def _compare(url: str) -> int:
    await migrate(url, SCHEMA)
    async with (
        connect_pool(url, SCHEMA) as pool,
        Log.open(url, pool, SCHEMA, master_keys=[secrets.token_bytes(32)]) as log,
    ):
        empty = await _median(log)
        took = await _fill(url, EVENTS)
        print(f"{EVENTS:,} events made in {took:,.0f} s")
        full = await _median(log)
    print(f"appends, {CALLERS} callers: {empty:,.0f}/s when empty, {full:,.0f}/s then: {empty / full:.2f}")
    return 0 if empty / full <= AIM else 1


async def _median(log: Log) -> float:
    return statistics.median([await rate(log, CALLERS, APPENDS) for _ in range(ROUNDS)])


async def _fill(url: str, amount: int) -> float:
    started = time.perf_counter()
    db = await asyncpg.connect(url)
    try:
        for done in range(0, amount, AT_ONCE):
            more = min(AT_ONCE, amount - done)
            head = await db.fetchval(_HEAD)
            async with db.transaction():
                await db.execute(_EVENTS, head, more, amount // 20, secrets.token_bytes(700))
                await db.execute(_KEYS, head, more)
        await db.execute(f"vacuum analyze {SCHEMA}.stored_events, {SCHEMA}.event_keys")
    finally:
        await db.close()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
