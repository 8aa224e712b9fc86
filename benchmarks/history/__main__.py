"""`python -m benchmarks.history URL`: fill an empty log with history.

The schema is made when it is not there. `LEDGERLINE_MASTER_KEY` is the key that the log gets.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time

from benchmarks.history.loading import Where, load
from benchmarks.history.plan import Plan
from gateway.settings.values import master_key_bytes
from gateway.store.migrate import migrate
from projections import catalogue


def main() -> None:
    """Read the arguments and load."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("url", help="of the database")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--schema", default="ledgerline")
    given = parser.parse_args()
    key = master_key_bytes(os.environ["LEDGERLINE_MASTER_KEY"])
    where = Where(given.url, given.schema, [key])
    started = time.monotonic()
    try:
        made = asyncio.run(_load(where, Plan(given.events, given.seed)))
    except ValueError as error:
        sys.exit(f"{error}: give another --schema, or a new database")
    print(f"{made:,} events in {time.monotonic() - started:,.0f} s")


async def _load(where: Where, plan: Plan) -> int:
    await migrate(where.url, where.schema, extra_ddl=catalogue.ddl(where.schema))
    return await load(where, plan)


if __name__ == "__main__":
    main()
