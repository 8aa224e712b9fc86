"""`make bench`: what the gateway costs beside yardsticks, all in one run.

The machine is never idle and never the same: read the ratios, not the figures. Each pair runs in turns, and
medians are quoted.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from pathlib import Path

from benchmarks import appends, feed, flood, load, rebuild
from benchmarks.processes import bare, environment, gateway
from benchmarks.traffic import SCALE, callbacks, sends
from gateway.store.embedded import Embedded, master_key

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CALLERS = int(os.environ.get("BENCH_CALLERS", "32"))


def main() -> None:
    """Run every comparison and print the table."""
    asyncio.run(_main())


async def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="ledgerline-bench-") as folder:
        print(f"{'medians of ' + str(ROUNDS):44} {'gateway':>12} {'yardstick':>12}    ratio")
        server = await Embedded.start(Path(folder), say=lambda _: None)
        try:
            await appends.compare(server.url, rounds=ROUNDS, scale=SCALE, say=_row)
            await rebuild.compare(server.url, rounds=ROUNDS, scale=SCALE, say=_row)
            settings = environment(server.url, master_key(Path(folder)))
            await asyncio.to_thread(_webhooks, settings)
            await asyncio.to_thread(_relay, settings)
            await asyncio.to_thread(_workers, settings)
            await asyncio.to_thread(_readers, settings)
            await asyncio.to_thread(_flood, settings)
        finally:
            await server.stop()


def _row(name: str, ours: float, theirs: float, aim: float) -> None:
    ratio = ours / theirs
    print(f"{name:44} {ours:10,.0f}/s {theirs:10,.0f}/s   {ratio:6.2f}   aim {aim:g}", flush=True)


def _webhooks(settings: dict[str, str]) -> None:
    with gateway(settings) as (ours, _), bare("webhook") as yardstick:
        for size, amount in ((1, 6_000), (20, 600)):
            make = callbacks(size)
            load.rate(ours, list(make(int(amount * SCALE))), CALLERS)  # every person is known from here on
            pairs = [
                (
                    load.rate(ours, list(make(int(amount * SCALE))), CALLERS),
                    load.rate(yardstick, list(make(int(amount * SCALE))), CALLERS),
                )
                for _ in range(ROUNDS)
            ]
            name = f"webhooks of {size} status{'es' if size > 1 else ''} / bare handler"
            _row(name, *_medians(pairs), 0.5)


def _relay(settings: dict[str, str]) -> None:
    with bare("upstream") as upstream:
        settings = settings | {"LEDGERLINE_UPSTREAM_URL": f"http://127.0.0.1:{upstream}"}
        with gateway(settings) as (ours, _), bare("relay", upstream) as yardstick:
            load.rate(ours, sends(), CALLERS)
            pairs = [
                (load.rate(ours, sends(), CALLERS), load.rate(yardstick, sends(), CALLERS))
                for _ in range(ROUNDS)
            ]
            _row("relayed sends (template) / bare relay", *_medians(pairs), 0.6)


def _readers(settings: dict[str, str]) -> None:
    with gateway(settings) as (ours, _):
        make = callbacks(1)
        load.rate(ours, list(make(int(3_000 * SCALE))), CALLERS)

        def rate() -> float:
            return load.rate(ours, list(make(int(6_000 * SCALE))), CALLERS)

        pairs = [feed.with_and_without(ours, rate) for _ in range(ROUNDS)]
        _row("webhooks, 50 feed readers asleep / none", *_medians(pairs), 1)


def _flood(settings: dict[str, str]) -> None:
    with gateway(settings) as (ours, _):
        make = callbacks(1)
        load.rate(ours, list(make(int(3_000 * SCALE))), CALLERS)

        def rate() -> float:
            return load.rate(ours, list(make(int(6_000 * SCALE))), CALLERS)

        pairs = [flood.with_and_without(ours, rate) for _ in range(ROUNDS)]
        _row("webhooks among as many forged / alone", *_medians(pairs), 0.5)


def _workers(settings: dict[str, str]) -> None:
    """Two workers beside one, in turns, on whatever cores there are."""
    make = callbacks(1)
    with gateway(settings, "--workers", "2") as (two, _), gateway(settings) as (one, _):
        load.rate(two, list(make(int(3_000 * SCALE))), CALLERS)
        pairs = [
            (
                load.rate(two, list(make(int(6_000 * SCALE))), CALLERS),
                load.rate(one, list(make(int(6_000 * SCALE))), CALLERS),
            )
            for _ in range(ROUNDS)
        ]
        _row("webhooks of 1 status, two workers / one", *_medians(pairs), 1)


def _medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(ours for ours, _ in pairs), statistics.median(theirs for _, theirs in pairs)


if __name__ == "__main__":
    main()
