"""A gateway as it is served, under load, beside the least that could do the same."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Final

from benchmarks import feed, flood, load
from benchmarks.processes import bare, gateway
from benchmarks.table import Figure, Say, medians
from benchmarks.traffic import SCALE, callbacks, sends

CALLERS: Final = int(os.environ.get("BENCH_CALLERS", "32"))
FEW: Final = 16

Settings = dict[str, str]


def webhooks(settings: Settings, rounds: int, say: Say) -> None:
    """Callbacks of one status and of twenty."""
    with gateway(settings) as (ours, _), bare("webhook") as yardstick:
        for size, amount in ((1, 6_000), (20, 600)):
            told = _told(amount, size)
            load.rate(ours, told(), CALLERS)  # every person is known from here on
            pairs = _in_turns(ours, yardstick, told, rounds)
            name = f"webhooks of {size} status{'es' if size > 1 else ''} / bare handler"
            say(Figure(name, *medians(pairs), aim="0.5 times"))


def relay(settings: Settings, rounds: int, say: Say) -> None:
    """Sends of templates: how many, and how much later than through a relay that records nothing."""
    with bare("upstream") as upstream:
        settings = settings | {"LEDGERLINE_UPSTREAM_URL": f"http://127.0.0.1:{upstream}"}
        with gateway(settings) as (ours, _), bare("relay", upstream) as yardstick:
            load.rate(ours, sends(), CALLERS)
            pairs = _in_turns(ours, yardstick, sends, rounds)
            say(Figure("relayed sends (template) / bare relay", *medians(pairs), aim="0.6 times"))
            half = statistics.median(rate for rate, _ in pairs) / 2
            for how, a_second in (("as fast as they can", None), ("half as fast", half)):
                waits = [(_p50(ours, a_second), _p50(yardstick, a_second)) for _ in range(rounds)]
                name = f"p50 of a send, {FEW} callers, {how} / bare relay"
                say(Figure(name, *medians(waits), aim="5 ms more", unit=" ms"))


def _p50(port: int, a_second: float | None) -> float:
    return statistics.median(load.run(port, sends(), FEW, a_second=a_second).waits) * 1_000


def workers(settings: Settings, rounds: int, say: Say) -> None:
    """Two workers beside one, in turns, on whatever cores there are."""
    with bare("upstream") as upstream:
        settings = settings | {"LEDGERLINE_UPSTREAM_URL": f"http://127.0.0.1:{upstream}"}
        with gateway(settings, "--workers", "2") as (two, _), gateway(settings) as (one, _):
            told = _told(6_000)
            for name, make in (("webhooks of 1 status", told), ("relayed sends", sends)):
                load.rate(two, make(), CALLERS)
                pairs = _in_turns(two, one, make, rounds)
                say(Figure(f"{name}, two workers / one", *medians(pairs), aim="1 time"))


def readers(settings: Settings, rounds: int, say: Say) -> None:
    """Webhooks while readers of the feed sleep."""
    with gateway(settings) as (ours, _):
        told = _told(6_000)
        load.rate(ours, told(), CALLERS)
        pairs = [feed.with_and_without(ours, lambda: load.rate(ours, told(), CALLERS)) for _ in range(rounds)]
        say(
            Figure(
                "webhooks of 1 status, 50 readers of the feed asleep / none", *medians(pairs), aim="1 time"
            )
        )


def forged(settings: Settings, rounds: int, say: Say) -> None:
    """Webhooks while as many callers forge."""
    with gateway(settings) as (ours, _):
        told = _told(6_000)
        load.rate(ours, told(), CALLERS)
        pairs = [
            flood.with_and_without(ours, lambda: load.rate(ours, told(), CALLERS)) for _ in range(rounds)
        ]
        name = "webhooks of 1 status, as many callers that forge / none"
        say(Figure(name, *medians(pairs), aim="0.5 times"))


def _in_turns(
    ours: int, theirs: int, make: Callable[[], list[bytes]], rounds: int
) -> list[tuple[float, float]]:
    return [(load.rate(ours, make(), CALLERS), load.rate(theirs, make(), CALLERS)) for _ in range(rounds)]


def _told(amount: int, size: int = 1) -> Callable[[], list[bytes]]:
    make = callbacks(size)
    return lambda: list(make(int(amount * SCALE)))
