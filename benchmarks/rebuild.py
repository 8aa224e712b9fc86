"""Rebuilding projections from a long log, beside plainly reading it."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from domain.events import (
    Event,
    MessageReceived,
    SendAccepted,
    SendDispatched,
    SendRequested,
    StatusReceived,
)
from gateway import replay
from gateway.replay import Where
from gateway.store.codec import encode
from gateway.store.migrate import migrate
from gateway.store.postgres import Pool, Postgres, connect_pool
from projections import catalogue

Row = Callable[[str, float, float, float], None]
SCHEMA = "bench_rebuild"
EVENTS = 300_000
PERSONS = 20_000
AIM = 1
SEALED = "x" * 600
NOW = 1_793_000_000


class _Silent:
    def moved(self, name: str, position: int, head: int) -> None:
        pass

    def say(self, text: str) -> None:
        pass


async def compare(url: str, *, rounds: int, scale: float, say: Row) -> None:
    """A row for each of the larger projections."""
    await migrate(url, SCHEMA, extra_ddl=catalogue.ddl(SCHEMA))
    amount = int(EVENTS * scale)
    await _fill(url, amount)
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


async def _fill(url: str, amount: int) -> None:
    db = await asyncpg.connect(url)
    try:
        rows = _rows(amount)
        columns = ["originator_id", "originator_version", "topic", "state", "notification_id"]
        await db.copy_records_to_table("stored_events", schema_name=SCHEMA, records=rows, columns=columns)
        await db.execute(f"vacuum analyze {SCHEMA}.stored_events")
    finally:
        await db.close()


def _rows(amount: int) -> Iterator[tuple[UUID, int, str, bytes, int]]:
    made, versions = _events(random.Random(7)), dict[UUID, int]()  # noqa: S311 - the same log each time
    for position in range(1, amount + 1):
        event = next(made)
        stream = event.originator_id
        versions[stream] = versions.get(stream, 0) + 1
        yield (stream, versions[stream], *encode(event), position)


def _events(chance: random.Random) -> Iterator[Event]:
    """Somebody writes, and is answered with a message that is sent, delivered and read."""
    at = NOW
    while True:
        at += 1
        rim = {
            "originator_id": UUID(int=chance.randrange(PERSONS) + 1),
            "originator_version": 0,
            "timestamp": datetime.fromtimestamp(at, UTC),
            "line": "106540352242922",
            "sealed": SEALED,
        }

        def some() -> dict[str, str]:
            return {"key": str(UUID(int=chance.getrandbits(128)))}

        send_id, key = (str(UUID(int=chance.getrandbits(128))) for _ in range(2))
        yield MessageReceived(
            **rim | some(),
            message_key=some()["key"],
            type="text",
            source="live",
            at_used=at,
            opens="confirmed",
        )
        decision = {"allowed": True, "mode": "enforce", "reason": "window_open", "policy_version": 2}
        yield SendRequested(
            **rim | some(),
            send_id=send_id,
            caller="shop",
            face="cloud",
            kind="free_form",
            type="text",
            decision=decision,
        )
        yield SendDispatched(**rim | some(), send_id=send_id, attempt=1)
        yield SendAccepted(**rim | some(), send_id=send_id, attempt=1, dispatched_at=at, message_key=key)
        pricing = {"model": "PMP", "type": "regular", "category": "utility", "billable": True}
        for status in ("sent", "delivered", "read"):
            yield StatusReceived(
                **rim | some(),
                message_key=key,
                status=status,
                source="live",
                at_used=at,
                send_id=send_id,
                attempt=1,
                dispatched_at=at,
                pricing=pricing,
                market="44",
            )
