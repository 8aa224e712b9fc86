"""Appends, sealed, beside the eventsourcing library's own recorder on the same server: rate and patience."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import threading
import time
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from benchmarks.table import Figure, Say, medians
from domain.events import StatusReceived
from domain.facts import Alias, AliasKind, Fact, Person
from gateway.store.log import Log
from gateway.store.migrate import migrate
from gateway.store.postgres import connect_pool

CALLERS: Final = {1: 2_000, 16: 8_000, 256: 30_000}
"""Appends in a round of ours, by callers."""
THEIRS: Final = 1_500
"""Appends in a round of theirs: it makes the same rate at any number of callers."""
MANY: Final = 256
SCHEMA: Final = "bench_appends"
STATE: Final = b'{"sealed":"' + b"x" * 600 + b'"}'


class Round(NamedTuple):
    """What a round of appends came to."""

    rate: float
    """A second."""
    p99: float
    """Milliseconds in which 99 of 100 callers had their answer."""


async def compare(url: str, *, rounds: int, scale: float, say: Say) -> None:
    """Figures for 1, 16 and 256 callers."""
    await migrate(url, SCHEMA)
    async with (
        connect_pool(url, SCHEMA) as pool,
        Log.open(url, pool, SCHEMA, master_keys=[secrets.token_bytes(32)]) as log,
    ):
        recorder = _stock(url)
        try:
            for callers, amount in CALLERS.items():
                ours, theirs = [], []
                for _ in range(rounds):
                    ours.append(await appended(log, callers, int(amount * scale)))
                    theirs.append(await asyncio.to_thread(_theirs, recorder, callers, int(THEIRS * scale)))
                _say(say, callers, ours, theirs)
        finally:
            recorder.datastore.close()


def _say(say: Say, callers: int, ours: list[Round], theirs: list[Round]) -> None:
    whom = f"{callers} caller{'s' if callers > 1 else ''} / stock recorder"
    rates = [(one.rate, other.rate) for one, other in zip(ours, theirs, strict=True)]
    say(Figure(f"appends, {whom}", *medians(rates), aim="15 times" if callers == MANY else "1 time"))
    if callers == MANY:
        waits = [(one.p99, other.p99) for one, other in zip(ours, theirs, strict=True)]
        say(Figure(f"p99 of an append, {whom}", *medians(waits), aim="60 ms", unit=" ms"))


async def appended(log: Log, callers: int, amount: int) -> Round:
    """Appends of so many callers, each of whom waits for one after the other."""
    waits: list[float] = []

    async def caller(share: int) -> None:
        for n in range(share):
            started = time.perf_counter()
            await log.record([_fact(n)], patience=60)
            waits.append(time.perf_counter() - started)

    await asyncio.gather(*(caller(2) for _ in range(callers)))
    waits.clear()
    started = time.perf_counter()
    await asyncio.gather(*(caller(amount // callers) for _ in range(callers)))
    return _round(waits, time.perf_counter() - started)


def _round(waits: list[float], took: float) -> Round:
    return Round(len(waits) / took, statistics.quantiles(waits, n=100)[98] * 1_000)


def _fact(n: int) -> Fact:
    now = datetime.now(UTC)
    public = {
        "message_key": str(uuid4()),
        "status": "delivered",
        "source": "live",
        "at_used": int(now.timestamp()),
        "pricing": {"model": "PMP", "type": "regular", "category": "utility", "billable": True},
        "market": "44",
    }
    private = {
        "message_id": "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgU00000000000000000203AA==",
        "recipient": f"44770090{n % 1000:04d}",
        "item": {"id": "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgU00000000000000000203AA==", "status": "delivered"},
    }
    person = Person((Alias(AliasKind.PHONE, f"44770090{n % 1000:04d}"),))
    return Fact(StatusReceived, "106540352242922", person, uuid4(), now, public, private)


def _stock(url: str) -> PostgresApplicationRecorder:
    parts = urlsplit(url)
    datastore = PostgresDatastore(
        dbname=parts.path.lstrip("/"),
        host=parts.hostname or parse_qs(parts.query)["host"][0],
        port=str(parts.port or 5432),
        user=parts.username or "",
        password=parts.password or "",
        pool_size=16,
        max_overflow=0,
        connect_timeout=600,
        max_waiting=1_000,
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stock_events")
    recorder.create_table()
    return recorder


def _theirs(recorder: PostgresApplicationRecorder, callers: int, amount: int) -> Round:
    waits: list[float] = []

    def caller(share: int) -> None:
        for _ in range(share):
            started = time.perf_counter()
            recorder.insert_events([StoredEvent(uuid4(), 1, "StatusReceived", STATE)])
            waits.append(time.perf_counter() - started)

    share = max(amount // callers, 2)
    threads = [threading.Thread(target=caller, args=(share,)) for _ in range(callers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _round(waits, time.perf_counter() - started)
