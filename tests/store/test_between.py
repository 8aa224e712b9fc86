"""A stretch of the log without some topics: the rest of it whole, and no hole passed over."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from domain.events import Undecodable
from gateway.store.postgres import HoleError, Pool, Postgres

SCHEMA = "ledgerline"


async def fill(database: str, topics: dict[int, str]) -> None:
    """A log that has these topics at these positions."""
    db = await asyncpg.connect(database)
    insert = "insert into ledgerline.stored_events values ($1, 1, $2, '{}', $3)"
    await db.executemany(insert, [(UUID(int=at), topic, at) for at, topic in topics.items()])
    await db.close()


async def test_topics_left_out_are_not_read_and_those_nobody_knows_are(database: str, pool: Pool) -> None:
    await fill(database, {1: "CallReceived", 2: "Later", 3: "MediaKept", 4: "MediaLost", 5: "Later"})
    log = Postgres(pool, SCHEMA)
    assert await log.between(0, 4, ["MediaKept", "MediaLost"]) == [
        Undecodable(1, "CallReceived", "MissingField"),
        Undecodable(2, "Later", "UnknownTopic"),
    ]
    assert await log.between(2, 4, ["MediaKept", "MediaLost"]) == []
    assert [one.position for one in await log.between(1, 5, [])] == [2, 3, 4, 5]


@pytest.mark.parametrize("missing", [1, 2, 3])
async def test_a_hole_among_topics_left_out_is_found(missing: int, database: str, pool: Pool) -> None:
    await fill(database, {at: "MediaKept" for at in (1, 2, 3, 4) if at != missing})
    with pytest.raises(HoleError, match="of the positions 1 to 3 only 2 are there"):
        await Postgres(pool, SCHEMA).between(0, 3, ["MediaKept"])
