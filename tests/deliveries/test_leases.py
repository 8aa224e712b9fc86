"""Partitions stay with whoever renews them, late or not, and nobody else had them meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from gateway.deliveries import leases as module
from gateway.deliveries.leases import Leases
from gateway.store import deliveries
from gateway.store.deliveries import PARTITIONS, DeliveryTables
from gateway.store.postgres import Pool

SHORT = timedelta(seconds=1)


@pytest.fixture
async def pool(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    """With leases that are soon over."""
    monkeypatch.setattr(module, "LEASE", SHORT)
    monkeypatch.setattr(deliveries, "LEASE", SHORT)
    async with asyncpg.create_pool(database, min_size=1, max_size=3) as pool:
        yield pool


def made(pool: Pool) -> Leases:
    return Leases(DeliveryTables(pool, "ledgerline", owner=uuid4()))


async def test_a_renewal_that_was_late_loses_nothing(pool: Pool) -> None:
    ours = made(pool)
    await ours.renew()
    turn = ours.turn
    await asyncio.sleep(SHORT.total_seconds())
    asked = asyncio.create_task(ours.holds(0))
    await asyncio.sleep(0)
    await ours.renew()

    assert await asked
    assert (len(ours.owned), ours.turn) == (PARTITIONS, turn)


async def test_who_renews_no_more_holds_nothing(pool: Pool) -> None:
    ours = made(pool)
    await ours.renew()
    await asyncio.sleep(SHORT.total_seconds())

    assert not await ours.holds(0)


async def test_what_another_one_had_meanwhile_is_told(pool: Pool) -> None:
    ours, other = made(pool), made(pool)
    await ours.renew()
    turn = ours.turn
    await asyncio.sleep(SHORT.total_seconds())
    await other.renew()
    assert len(other.owned) == PARTITIONS
    asked = asyncio.create_task(ours.holds(0))
    await other.leave()
    await ours.renew()

    assert (len(ours.owned), ours.turn) == (PARTITIONS, turn + 1)
    await asked


async def test_two_share(pool: Pool) -> None:
    ours, other = made(pool), made(pool)
    await ours.renew()
    await other.renew()
    await ours.renew()
    await ours.release(ours.owned - ours.keep)
    await other.renew()

    assert (len(ours.owned), len(other.owned)) == (PARTITIONS // 2, PARTITIONS // 2)
    assert ours.owned.isdisjoint(other.owned)
