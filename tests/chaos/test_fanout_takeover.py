"""One of two gateways is killed and the destination lives: the other one delivers what was the dead one's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from hook import Hook
from processes import House, Process, house
from running import until

from gateway.store.deliveries import PARTITIONS

PEOPLE: Final = 48
"""So many that each partition, and so each gateway, has some of them."""
TEXTS: Final = ("one", "two", "three")


async def owners(database: asyncpg.Connection, count: int) -> bool:
    """Whether so many gateways share all partitions."""
    rows = await database.fetch(
        "select owner, count(*) as owned from ledgerline.delivery_partitions "
        "where owner is not null and until > now() group by owner"
    )
    return sorted(row["owned"] for row in rows) == [PARTITIONS // count] * count


async def write(home: House, text: str, gateway: Process) -> None:
    """Everybody writes, and it is recorded."""
    home.simulator.callbacks.url = f"{gateway.url}/webhooks/whatsapp"
    for number in range(PEOPLE):
        body = {"type": "text", "text": {"body": text}}
        _, update = home.simulator.write(f"4477008{number:05d}", body)
        await update.acknowledged.wait()


@pytest.mark.timeout(180)
async def test_what_was_a_dead_gateways_is_delivered_by_the_other(database: str, tmp_path: Path) -> None:
    async with (
        house(database, DESTINATIONS_PRIVATE="127.0.0.1") as home,
        Hook.serving(tmp_path / "taken") as hook,
        home.gateway() as lives,
        home.gateway() as dies,
    ):
        filtered = {"format": "events", "filter": {"topics": ["MessageReceived"]}}
        made = await lives.ask("/api/destinations", {"name": "crm", "url": hook.url, **filtered})
        assert made is not None
        assert made.status == 201, made.body
        connection = await asyncpg.connect(database)
        try:
            await until(lambda: owners(connection, 2), 60)
            await write(home, TEXTS[0], dies)
            writing = asyncio.create_task(write(home, TEXTS[1], lives))
            dies.kill()
            await dies.died()
            await writing
            await write(home, TEXTS[2], lives)
            await until(lambda: _came(hook), 60)
            assert await owners(connection, 1)
        finally:
            await connection.close()

        taken = hook.taken()
        assert len({(one.id, one.position) for one in taken}) == PEOPLE * len(TEXTS)
        first: dict[str, list[int]] = {}
        for one in taken:
            seen = first.setdefault(one.subject, [])
            if one.position not in seen:
                seen.append(one.position)
        assert all(order == sorted(order) for order in first.values())


async def _came(hook: Hook) -> bool:
    return len({one.id for one in hook.taken()}) >= PEOPLE * len(TEXTS)
