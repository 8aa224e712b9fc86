"""Gateways and a destination are killed at random under load: every event arrives, in order, by one id."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from itertools import groupby
from pathlib import Path

import asyncpg
import pytest
from hook import Hook, Taken
from pair import KILLS, Pair, loaded, sound
from processes import House, house
from running import until


async def die_now_and_then(hook: Hook) -> None:
    draw = random.SystemRandom()
    while True:
        await asyncio.sleep(draw.uniform(0.5, 3.0))
        await hook.die()
        await asyncio.sleep(draw.uniform(0, 0.5))
        hook.begin()


async def positions(home: House, after: int) -> set[int]:
    """Of all that the log holds behind a position."""
    database = await asyncpg.connect(home.database)
    try:
        rows = await database.fetch(
            "select notification_id from ledgerline.stored_events where notification_id > $1", after
        )
        return {row[0] for row in rows}
    finally:
        await database.close()


async def everything(home: House, hook: Hook, after: int) -> list[Taken]:
    """What was delivered, once it is all."""

    async def has_come() -> bool:
        return {one.position for one in hook.taken()} >= await positions(home, after)

    await until(has_come, 60)
    return hook.taken()


def firsts(taken: list[Taken]) -> list[Taken]:
    """Each event as it came at first, by conversation."""
    first: dict[int, Taken] = {}
    for one in taken:
        first.setdefault(one.position, one)
    return sorted(first.values(), key=lambda one: one.subject)


@pytest.mark.timeout(120 + 6 * KILLS)
async def test_every_event_arrives_in_order_whoever_dies(database: str, tmp_path: Path) -> None:
    async with (
        house(database, DESTINATIONS_PRIVATE="127.0.0.1") as home,
        Hook.serving(tmp_path / "taken") as hook,
        AsyncExitStack() as stack,
    ):
        pair = Pair(home, stack)
        await asyncio.gather(pair.open(0), pair.open(1))
        made = await pair.any.ask("/api/destinations", {"name": "crm", "url": hook.url, "format": "events"})
        assert made is not None, "a gateway died before anybody killed it"
        assert made.status == 201, made.body
        begun = max(await positions(home, 0))

        dying = asyncio.create_task(die_now_and_then(hook))
        load = await loaded(home, pair, KILLS)
        dying.cancel()
        await asyncio.wait([dying])
        await hook.die()
        hook.begin()
        await sound(home, load.known)
        taken = await everything(home, hook, begun)

        assert len({(one.id, one.position) for one in taken}) == len({one.position for one in taken})
        for subject, events in groupby(firsts(taken), key=lambda one: one.subject):
            order = [one.position for one in events]
            assert order == sorted(order), subject
        assert len({one.subject for one in taken}) > 1
