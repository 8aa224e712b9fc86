"""Deliveries to a sink on this machine: how many, how late, and what a dead destination costs the others."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, Final

import aiohttp
import orjson

from benchmarks import load
from benchmarks.processes import bare, gateway
from benchmarks.table import Figure, Say, medians
from benchmarks.traffic import SCALE, callbacks

CALLERS: Final = 16
BODY: Final = b"x" * 650
"""As large as a status in WhatsApp's format."""
BACKLOG: Final = 6_000
FANNED: Final = 200
OTHERS: Final = 49
DEAD: Final = "http://127.0.0.1:9/dead"
AT_ONCE: Final = 20
"""Statuses of a callback."""
A_SECOND: Final = 1_000
SECONDS: Final = 10
PATIENCE: Final = 300.0

Settings = dict[str, str]


def rate(settings: Settings, rounds: int, say: Say) -> None:
    """One destination that is behind."""
    with gateway(settings) as (ours, _), bare("sink") as sink:
        pairs = [(_caught_up(ours, sink), asyncio.run(_posted(sink))[0]) for _ in range(rounds)]
        say(Figure("deliveries to a destination that is behind / bare client", *medians(pairs), aim=""))


def one_dead(settings: Settings, rounds: int, say: Say) -> None:
    """Forty-nine destinations, with a dead one beside them and without."""
    with gateway(settings) as (ours, _), bare("sink") as sink, contextlib.ExitStack() as stack:
        for number in range(OTHERS):
            stack.enter_context(_destination(ours, f"live{number}", f"http://127.0.0.1:{sink}/"))
        dead = stack.enter_context(_destination(ours, "dead", DEAD))
        _fanned(ours, sink)
        pairs = []
        for _ in range(rounds):
            _ask(ours, "PATCH", dead, {"state": "active"})
            beside = _fanned(ours, sink)
            _ask(ours, "PATCH", dead, {"state": "paused"})
            pairs.append((beside, _fanned(ours, sink)))
        say(Figure("deliveries to 49 destinations, a dead one beside / none", *medians(pairs), aim="1 time"))


def lag(settings: Settings, rounds: int, say: Say) -> None:
    """From the record of an event until it is taken."""
    with gateway(settings) as (ours, _), bare("sink") as sink:
        filtered = {"format": "events", "filter": {"topics": ["StatusReceived"]}}
        with _destination(ours, "late", f"http://127.0.0.1:{sink}/late", **filtered):
            pairs = [(_late(ours, sink), asyncio.run(_posted(sink))[1]) for _ in range(rounds)]
        name = f"p99 from record to delivery, {A_SECOND:,} events/s / a bare POST"
        say(Figure(name, *medians(pairs), aim="200 ms", unit=" ms"))


def _caught_up(port: int, sink: int) -> float:
    """Deliveries a second of what was recorded before."""
    begin = _head(port) + 1
    wanted = AT_ONCE * int(BACKLOG * SCALE / AT_ONCE)
    load.rate(port, list(callbacks(AT_ONCE)(wanted // AT_ONCE)), CALLERS)
    _told(sink)
    began = time.perf_counter()
    with _destination(port, "behind", f"http://127.0.0.1:{sink}/", **{"from": begin}):
        _until_taken(sink, wanted)
        return wanted / (time.perf_counter() - began)


def _fanned(port: int, sink: int) -> float:
    """Deliveries a second to all destinations that live, from the first callback on."""
    amount = max(1, int(FANNED * SCALE))
    _told(sink)
    began = time.perf_counter()
    load.rate(port, list(callbacks(1)(amount)), CALLERS)
    _until_taken(sink, amount * OTHERS)
    return amount * OTHERS / (time.perf_counter() - began)


def _late(port: int, sink: int) -> float:
    """Milliseconds in which 99 of 100 are delivered."""
    _told(sink)
    amount = int(SECONDS * SCALE * A_SECOND / AT_ONCE)
    load.run(port, _paced(list(callbacks(AT_ONCE)(amount)), A_SECOND / AT_ONCE), CALLERS)
    return _p99(_until_taken(sink, amount * AT_ONCE))


def _paced(requests: Sequence[bytes], a_second: float) -> Iterator[bytes]:
    """Nobody looks at how long these take, so whoever sends them may sleep."""
    began = time.perf_counter()
    for number, request in enumerate(requests):
        time.sleep(max(0.0, began + number / a_second - time.perf_counter()))
        yield request


async def _posted(sink: int) -> tuple[float, float]:
    """Of a bare client: POSTs a second, and the milliseconds in which 99 of 100 are answered."""
    waits: list[float] = []

    async def post(client: aiohttp.ClientSession, amount: int) -> None:
        for _ in range(amount):
            sent = time.perf_counter()
            async with client.post(f"http://127.0.0.1:{sink}/", data=BODY) as answer:
                await answer.read()
            waits.append(time.perf_counter() - sent)

    async with aiohttp.ClientSession() as client:
        began = time.perf_counter()
        each = int(BACKLOG * SCALE / CALLERS)
        await asyncio.gather(*(post(client, each) for _ in range(CALLERS)))
        return len(waits) / (time.perf_counter() - began), _p99(waits)


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] * 1_000


def _until_taken(sink: int, wanted: int) -> list[float]:
    """How late each was, once all are there."""
    late: list[float] = []
    taken, until = 0, time.monotonic() + PATIENCE
    while taken < wanted:
        if time.monotonic() > until:
            raise RuntimeError(f"{taken} of {wanted} were delivered")
        time.sleep(0.02)
        told = _told(sink)
        taken += told["taken"]
        late += told["late"]
    return late


def _told(sink: int) -> dict[str, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{sink}/", headers={"Content-Length": "0"})
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - a port of ours
        return dict(orjson.loads(answer.read()))


@contextlib.contextmanager
def _destination(port: int, name: str, url: str, **more: Any) -> Iterator[str]:
    """A destination for as long as it is needed; its path."""
    body = {"name": name, "url": url, "format": "whatsapp", **more}
    path = f"/api/destinations/{_ask(port, 'POST', '/api/destinations', body)['id']}"
    try:
        yield path
    finally:
        _ask(port, "DELETE", path)


def _head(port: int) -> int:
    return int(_ask(port, "GET", "/ready")["head"])


def _ask(port: int, method: str, path: str, body: object = None) -> dict[str, Any]:
    headers = {"Authorization": "Bearer bench-key", "Content-Type": "application/json"}
    data = None if body is None else orjson.dumps(body)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method, data=data, headers=headers
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - a port of ours
        return dict(orjson.loads(answer.read() or b"{}"))
