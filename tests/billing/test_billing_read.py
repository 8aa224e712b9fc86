"""What is read from the tables is what the events say, whatever order and pages they came in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from charged import units
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_oracle import histories

from domain.billing.pricing import Unit
from domain.events import Event, Recorded
from gateway.store.migrate import migrate
from gateway.store.postgres import Pool, connect_pool
from projections import catalogue
from projections.billing import Billing, Span
from projections.counts import CountsProjection

SCHEMA = "ledgerline"
EVER = Span(0, 1 << 40)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    await migrate(database, SCHEMA, extra_ddl=catalogue.ddl(SCHEMA))
    async with connect_pool(database, SCHEMA) as pool:
        yield pool


async def read(pool: Pool, history: list[Event], page: int) -> list[Unit]:
    log = [Recorded(position, event) for position, event in enumerate(history, 1)]
    async with pool.acquire() as db, db.transaction():
        await db.execute("delete from ledgerline.counts_sends_v2")
        await db.execute("delete from ledgerline.counts_deliveries_v2")
        for start in range(0, len(log), page):
            await CountsProjection(SCHEMA).fold(db, log[start : start + page])
        return [unit async for unit in Billing(SCHEMA).units(db, EVER)]


@settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=histories, page=st.integers(1, 9))
async def test_the_tables_give_the_units_that_the_events_make_in_order(
    pool: Pool, history: list[Event], page: int
) -> None:
    expected = sorted(units(history), key=lambda unit: unit.order)

    assert await read(pool, history, page) == expected
