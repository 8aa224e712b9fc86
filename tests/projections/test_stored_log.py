from __future__ import annotations

import random

import pytest
from histories import NOW, STREAMS, log_of, made, message
from logs import SCHEMA, MemoryLog, contents, project, start_over, store

from domain.events import Event, Recorded, SendAccepted, SendRequested, StatusReceived, TemplateChanged
from gateway.store.postgres import connect_pool
from gateway.store.tail import Tail
from projections.catalogue import projections
from projections.runner import Runner


@pytest.fixture
def log() -> list[Recorded]:
    """An ordinary day in three conversations."""
    draw = random.Random(7)  # noqa: S311 - the same day each time
    history: list[Event] = [
        made(TemplateChanged, account="w", name="t", language="en", event="x", at_used=NOW, status="APPROVED")
    ]
    for n in range(200):
        key, send_id, stream = f"{n:032x}", f"{n + 1000:032x}", draw.choice(STREAMS)
        asked = {"caller": "crm", "face": "cloud", "kind": "free_form", "type": "text", "decision": {}}
        history += [
            message(originator_id=stream, at_used=NOW + n, opens="confirmed"),
            made(SendRequested, originator_id=stream, send_id=send_id, **asked),
            made(
                SendAccepted,
                originator_id=stream,
                send_id=send_id,
                attempt=1,
                dispatched_at=NOW,
                message_key=key,
            ),
            made(
                StatusReceived,
                originator_id=stream,
                status=draw.choice(["sent", "delivered", "read", "failed"]),
                source="live",
                at_used=NOW + n,
                message_key=key,
            ),
        ]
    return log_of(history)


async def test_the_stored_log_gives_the_tables_that_its_events_give(admin: str, log: list[Recorded]) -> None:
    await store(admin, log)
    async with connect_pool(admin, SCHEMA) as pool:
        await project(pool, MemoryLog(log))
        expected = await contents(pool, exact=True)
        await start_over(pool)
        await Runner(projections(SCHEMA), pool, Tail(pool, SCHEMA), schema=SCHEMA).catch_up()

        assert await contents(pool, exact=True) == expected


async def test_one_connection_is_enough_for_all_projections_and_their_reader(
    admin: str, log: list[Recorded]
) -> None:
    await store(admin, log)
    async with connect_pool(admin, SCHEMA, size=1) as pool:
        tail = Tail(pool, SCHEMA, poll=0.01)
        runner = Runner(projections(SCHEMA), pool, tail, schema=SCHEMA)
        await runner.catch_up()

        assert {lag.position for lag in (await runner.lag()).values()} == {len(log)}
