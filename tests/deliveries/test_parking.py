"""One conversation that a destination refuses holds up no other, however much waits in it."""

from __future__ import annotations

import asyncpg
import pytest
from running import ANN, Running, Start, until
from sinks import Sink, added

from gateway.deliveries import parking
from gateway.store.deliveries import partition_of

BEN = "447700900456"
PARK = """
insert into ledgerline.delivery_parked
  (destination, position, partition, conversation, state, attempts, parked_at, next_at)
select $1, 1000000 + n, $2, $3, 'waiting', 1, now(), now() + interval '1 day'
from generate_series(1, $4::int) n
"""


def says(text: str) -> dict[str, object]:
    return {"type": "text", "text": {"body": text}}


async def conversation_parked(database: str, destination: str, count: int) -> None:
    """So many events of the one conversation that there is wait until tomorrow."""
    connection = await asyncpg.connect(database)
    try:
        stream = await connection.fetchval("select conversation_id from ledgerline.conversations")
        await connection.execute(PARK, destination, partition_of(stream), stream, count)
    finally:
        await connection.close()


async def test_a_long_conversation_that_waits_holds_up_no_other(
    start: Start, database: str, hook: Sink
) -> None:
    async with start() as gateway:
        await gateway.writes(ANN, **says("poison"))
        made = await added(gateway, hook)
        await conversation_parked(database, made["id"], 3_000)
    async with start() as gateway:
        await gateway.writes(ANN, **says("behind"))
        await gateway.writes(BEN, **says("other"))
        await until(lambda: _taken(hook, 1))
        shown = await until(lambda: _parked(gateway, made["id"], 3_001))

    assert hook.texts() == ["other"]
    assert (shown["state"], shown["reason"]) == ("active", None)


async def test_a_destination_that_stands_still_says_so(
    start: Start, database: str, hook: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "MOST", 5)
    async with start() as gateway:
        await gateway.writes(ANN, **says("poison"))
        made = await added(gateway, hook)
        await conversation_parked(database, made["id"], 5)
    async with start() as gateway:
        await gateway.writes(BEN, **says("other"))
        shown = await until(lambda: _parked(gateway, made["id"], 5))

    assert shown["reason"] == "it stands still: 5 events or more are parked"
    assert hook.texts() == []


async def _taken(hook: Sink, count: int) -> bool:
    return len(hook.taken) >= count


async def _parked(gateway: Running, destination: str, count: int) -> dict[str, object] | None:
    _, shown = await gateway.get(f"/api/destinations/{destination}")
    return dict(shown) if shown["parked"] == count else None
