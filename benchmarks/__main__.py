"""`make bench`: what the gateway costs beside yardsticks, all in one run.

The machine is never idle and never the same: read the ratios, not the figures. Each pair runs in turns, and
medians are quoted. With names, `python -m benchmarks reading relay`, only these parts run.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import Sequence
from typing import Final

import uvloop

from benchmarks import appends, deliveries, reading, serving, table
from benchmarks.history.loading import Where, load
from benchmarks.history.plan import Plan
from benchmarks.processes import environment
from benchmarks.server import server
from benchmarks.table import Figure
from benchmarks.traffic import SCALE
from gateway.store.migrate import migrate
from projections import catalogue

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
HISTORY: Final = 300_000
SCHEMA: Final = "bench_history"
SERVED: Final = {
    "webhooks": serving.webhooks,
    "relay": serving.relay,
    "workers": serving.workers,
    "readers": serving.readers,
    "forged": serving.forged,
    "deliveries": deliveries.rate,
    "fanout": deliveries.one_dead,
    "lag": deliveries.lag,
}
PARTS: Final = ("appends", "reading", *SERVED)


def main() -> None:
    """Run the parts that are named, else all, and print the table."""
    parts = sys.argv[1:] or PARTS
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    uvloop.run(_main(parts))


async def _main(parts: Sequence[str]) -> None:
    figures: list[Figure] = []

    def say(figure: Figure) -> None:
        figures.append(figure)
        print(*figure.cells(), sep="   ", flush=True)

    async with server("bench") as (url, key):
        machine = await table.machine(url)
        if "appends" in parts:
            await appends.compare(url, rounds=ROUNDS, scale=SCALE, say=say)
        if "reading" in parts:
            await reading.compare(await _history(url, key), rounds=ROUNDS, say=say)
        settings = environment(url, key)
        for name in parts:
            if name in SERVED:
                await asyncio.to_thread(SERVED[name], settings, ROUNDS, say)
    print("", table.markdown(figures, machine, ROUNDS), sep="\n")


async def _history(url: str, key: str) -> Where:
    where = Where(url, SCHEMA, [base64.b64decode(key)])
    await migrate(url, SCHEMA, extra_ddl=catalogue.ddl(SCHEMA))
    await load(where, Plan(int(HISTORY * SCALE)), say=lambda _: None)
    return where


if __name__ == "__main__":
    main()
