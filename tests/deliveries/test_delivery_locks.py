"""Whoever locks many cursors does it in one order: nobody's change is given up for another's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from gateway.store.deliveries import PARTITIONS, DeliveryTables, Note
from projections.sql import load

ADD = """
insert into ledgerline.destinations
  (id, name, url, format, lines, topics, types, sources, state, revision, created_at, sealed, master_id)
values ($1, $2, 'https://crm.example', 'events', '{}', '{}', '{}', '{}', 'active', 1, now(), '', '')
"""
CURSORS = """
insert into ledgerline.delivery_cursors (destination, partition, position)
select $1, partition, 0 from ledgerline.delivery_partitions
"""


async def test_removals_amid_notes_are_no_deadlock(database: str) -> None:
    sql = load("gateway.store", "destinations.sql", "ledgerline")
    made = [uuid4() for _ in range(60)]
    async with asyncpg.create_pool(database, min_size=2, max_size=3) as pool:
        for one in made:
            await pool.execute(ADD, one, str(one))
            await pool.execute(CURSORS, one)
        tables = DeliveryTables(pool, "ledgerline", owner=uuid4())
        await tables.take(PARTITIONS)
        gone = asyncio.Event()

        async def note() -> None:
            position = 0
            while not gone.is_set():
                position += 1
                await tables.advance(notes(made, position), datetime.now(UTC))

        async def remove() -> None:
            for one in made:
                await pool.execute(sql["back to"], one, 0)
                await pool.execute(sql["remove"], one)
            gone.set()

        await asyncio.gather(note(), note(), remove())
        assert await pool.fetchval("select count(*) from ledgerline.destinations") == 0


def notes(destinations: list[UUID], position: int) -> list[Note]:
    """In the order in which they would least like to be locked."""
    found = [
        Note(one, partition, position, 1, 0, 0.0, None, "[]")
        for one in destinations
        for partition in range(PARTITIONS)
    ]
    return found[::-1] if position % 2 else found
