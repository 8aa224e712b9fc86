"""`make soak`: memory of a gateway that works for long, at about half of what it can.

Callbacks of one status and sends go in at a steady rate; resident memory is read every ten seconds. The last
tenth of the readings is compared with the tenth after the warm-up: it should be flat within ten per cent.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import threading
import time
from pathlib import Path

from benchmarks import load
from benchmarks.processes import bare, environment, gateway
from benchmarks.server import server
from benchmarks.traffic import callbacks, sends

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
EVERY = 10.0
WARM_UP = 0.2
"""Of the readings: caches fill, and every person is met for the first time."""
FLAT = 0.10


def main() -> None:
    """Run, and end with 1 when memory grew."""
    sys.exit(asyncio.run(_main()))


async def _main() -> int:
    async with server("soak") as (url, key):
        return await asyncio.to_thread(_soak, environment(url, key))


def _soak(settings: dict[str, str]) -> int:
    with bare("upstream") as upstream:
        settings = settings | {"LEDGERLINE_UPSTREAM_URL": f"http://127.0.0.1:{upstream}"}
        with gateway(settings) as (port, pid):
            pause = _pace(port)
            readings: list[int] = []
            stopped = threading.Event()
            reader = threading.Thread(target=_read, args=(pid, readings, stopped))
            reader.start()
            ends, done = time.monotonic() + MINUTES * 60, 0
            while time.monotonic() < ends:
                done += _one_round(port)
                time.sleep(pause)
            stopped.set()
            reader.join()
    return _judge(readings, done)


def _pace(port: int) -> float:
    """Seconds to rest between two rounds so that the gateway is half idle."""
    _one_round(port)
    started = time.monotonic()
    _one_round(port)
    return time.monotonic() - started


def _one_round(port: int) -> int:
    told, asked = list(callbacks(1)(1_000)), sends()[:200]
    load.rate(port, told, 16)
    load.rate(port, asked, 16)
    return len(told) + len(asked)


def _read(pid: int, readings: list[int], stopped: threading.Event) -> None:
    while not stopped.wait(EVERY):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        readings.append(pages * os.sysconf("SC_PAGE_SIZE") // 2**20)


def _judge(readings: list[int], done: int) -> int:
    warm = readings[int(len(readings) * WARM_UP) :]
    part = max(1, len(warm) // 10)
    first, last = statistics.median(warm[:part]), statistics.median(warm[-part:])
    grown = last / first - 1
    print(f"{done:,} requests in {MINUTES:g} minutes")
    print(f"resident after the warm-up {first:.0f} MiB, at the end {last:.0f} MiB: {grown:+.1%}")
    print("every tenth reading, MiB:", *readings[:: max(1, len(readings) // 10)])
    return 0 if grown <= FLAT else 1


if __name__ == "__main__":
    main()
