"""PostgreSQL goes away in every way: 503 in the meantime, and afterwards nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from proxy import Direction, Proxy, place_of, through
from running import LINE, Running
from stage import LONG, own_server, serving, simulated
from traffic import Traffic, prove

from gateway import deciding, health, posting, send, settler, webhook
from gateway.store import postgres, writer

ROUNDS = 5 if LONG else 1
SILENCE = 40 if LONG else 2.5
"""Seconds: longer than a statement may take."""

pytestmark = pytest.mark.timeout(900 if LONG else 120)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short version waits for seconds where a gateway waits for half a minute."""
    if LONG:
        return
    for module in (send, deciding, posting, webhook, health):
        monkeypatch.setattr(module, "PATIENCE", 1.0)
    monkeypatch.setattr(settler, "PATIENCE", 1.0)
    monkeypatch.setattr(postgres, "CONNECT_TIMEOUT", 1.0)
    for module in (postgres, writer):
        monkeypatch.setattr(module, "STATEMENT_TIMEOUT", 2.0)


@asynccontextmanager
async def under_load(database: str) -> AsyncIterator[Traffic]:
    """A gateway with open windows and traffic; afterwards everything is proved."""
    async with simulated() as simulator, serving(database, simulator) as running:
        traffic = Traffic(running)
        await traffic.open_windows()
        async with traffic.flowing():
            await traffic.progress()
            yield traffic
            await traffic.progress()
        states = await prove(traffic)
        assert set(states.values()) <= {"accepted", "failed"}
        assert set(traffic.statuses) <= {200, 409, 500, 503}


def event(number: int) -> dict[str, Any]:
    """A callback of WhatsApp's."""
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": LINE}, "odd": number}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "odd", "value": value}]}],
    }


async def is_answered_503(running: Running) -> None:
    """Callbacks and reads are told to come again, soon."""
    assert await running.callback(event(1)) == 503
    assert running.headers["Retry-After"]
    async with asyncio.timeout(60):
        status, _ = await running.get("/ready")
        assert status == 503


@pytest.fixture
async def proxied(database: str) -> AsyncIterator[tuple[str, Proxy]]:
    """The database by way of a proxy."""
    async with Proxy.before(place_of(database)) as proxy:
        yield through(database, proxy), proxy


async def test_all_backends_are_terminated(database: str) -> None:
    admin = await asyncpg.connect(database)
    async with under_load(database) as traffic:
        for _ in range(3 * ROUNDS):
            ended = await admin.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            assert ended > 1
            await asyncio.sleep(0.3)
            await traffic.progress()
    await admin.close()


async def test_every_socket_is_cut(proxied: tuple[str, Proxy]) -> None:
    database, proxy = proxied
    async with under_load(database) as traffic:
        for _ in range(3 * ROUNDS):
            proxy.cut()
            await asyncio.sleep(0.3)
            await traffic.progress()


async def test_the_server_can_not_be_reached_for_a_while(proxied: tuple[str, Proxy]) -> None:
    database, proxy = proxied
    async with under_load(database) as traffic:
        for _ in range(ROUNDS):
            proxy.refuses = True
            proxy.cut()
            await is_answered_503(traffic.running)
            proxy.refuses = False
            await traffic.progress()


async def test_the_server_ends_what_it_says(proxied: tuple[str, Proxy]) -> None:
    database, proxy = proxied
    async with under_load(database) as traffic:
        for _ in range(ROUNDS):
            proxy.half_close()
            await traffic.progress()


WAYS: list[tuple[Direction, ...]] = [("there", "back"), ("back",), ("there",)]


async def test_the_network_swallows_everything(proxied: tuple[str, Proxy]) -> None:
    database, proxy = proxied
    async with under_load(database) as traffic:
        for number, directions in enumerate(WAYS * ROUNDS):
            proxy.stall(*directions)
            await is_answered_503(traffic.running)
            await asyncio.sleep(SILENCE)
            if number % 2:
                proxy.cut()
            proxy.flow()
            await traffic.progress()


async def test_the_network_is_slow(proxied: tuple[str, Proxy]) -> None:
    database, proxy = proxied
    async with under_load(database) as traffic:
        proxy.delay = 0.03
        await traffic.progress()
        proxy.delay = 0.0


RESTARTS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "killed": signal.SIGKILL}


async def test_the_server_is_restarted_and_killed() -> None:
    async with own_server() as server, under_load(server.url) as traffic:
        for _ in range(ROUNDS):
            for how in RESTARTS.values():
                server.signal(how)
                await is_answered_503(traffic.running)
                await traffic.progress()
