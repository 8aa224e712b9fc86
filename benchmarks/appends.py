"""Appends a second, sealed, beside the eventsourcing library's own recorder on the same server."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from domain.events import StatusReceived
from domain.facts import Alias, AliasKind, Fact, Person
from gateway.store.log import Log
from gateway.store.migrate import migrate
from gateway.store.postgres import connect_pool

Row = Callable[[str, float, float, float], None]
CALLERS = {1: 2_000, 16: 8_000, 256: 30_000}
"""Appends in a round of ours, by callers."""
THEIRS = 1_500
"""Appends in a round of theirs: it makes the same rate at any number of callers."""
SCHEMA = "bench_appends"
STATE = b'{"sealed":"' + b"x" * 600 + b'"}'


async def compare(url: str, *, rounds: int, scale: float, say: Row) -> None:
    """Print a row for 1, 16 and 256 callers."""
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
                    ours.append(await rate(log, callers, int(amount * scale)))
                    theirs.append(await asyncio.to_thread(_theirs, recorder, callers, int(THEIRS * scale)))
                name = f"appends, {callers} caller{'s' if callers > 1 else ''} / stock recorder"
                say(name, statistics.median(ours), statistics.median(theirs), 15 if callers == 256 else 1)
        finally:
            recorder.datastore.close()


async def rate(log: Log, callers: int, amount: int) -> float:
    """Appends a second of so many callers, each of whom waits for one after the other."""

    async def caller(share: int) -> None:
        for n in range(share):
            await log.record([_fact(n)], patience=60)

    await asyncio.gather(*(caller(2) for _ in range(callers)))
    started = time.perf_counter()
    await asyncio.gather(*(caller(amount // callers) for _ in range(callers)))
    return amount // callers * callers / (time.perf_counter() - started)


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


def _theirs(recorder: PostgresApplicationRecorder, callers: int, amount: int) -> float:
    def caller(share: int) -> None:
        for _ in range(share):
            recorder.insert_events([StoredEvent(uuid4(), 1, "StatusReceived", STATE)])

    share = max(amount // callers, 2)
    threads = [threading.Thread(target=caller, args=(share,)) for _ in range(callers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return share * callers / (time.perf_counter() - started)
