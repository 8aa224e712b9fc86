"""PostgreSQL goes away in every way: 503 in the meantime, and afterwards nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from proxy import Direction, Proxy, place_of, through
from running import LINE, Running, until
from stage import LONG, own_server, serving, simulated
from traffic import Traffic, prove

from gateway import health, webhook
from gateway.sends import deciding, posting, send, settler
from gateway.store import postgres, tail, writer
from gateway.store.outcomes import Draft
from gateway.store.postgres import Pool
from projections.sql import load

ROUNDS = 5 if LONG else 1
SILENCE = 40 if LONG else 2.5
"""Seconds: longer than a statement may take."""

pytestmark = pytest.mark.timeout(1800 if LONG else 120)


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
        states = await prove(traffic, database)
        assert set(states.values()) <= {"accepted", "failed"}
        assert set(traffic.statuses) <= {200, 409, 500, 503}
        # Of 500, only what may have been sent and can't be recorded yet.
        ends = {
            answer.outcome for told in traffic.answers.values() for answer in told if answer.status == 500
        }
        assert ends <= {"unknown"}


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


WAYS: list[tuple[Direction, ...]] = [("there", "back"), ("back",)] + ([("there",)] if LONG else [])


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


async def test_a_gateway_that_vanished_keeps_nothing_locked(
    database: str, proxied: tuple[str, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is silent, not closed, in the middle of learning who somebody is."""
    longer_than_patience = "idle_in_transaction_session_timeout"
    assert longer_than_patience in postgres._SETTINGS
    if not LONG:
        monkeypatch.setitem(postgres._SETTINGS, longer_than_patience, "2s")
    url, proxy = proxied
    async with simulated() as simulator, serving(database, simulator) as running:
        vanished = await postgres.connect(url, "ledgerline")
        await vanished.execute("begin")
        await vanished.execute(load("gateway.store", "directory.sql", "ledgerline")["lock"])
        proxy.stall()
        assert await running.callback(event(2)) == 503

        async def taken() -> bool:
            return await running.callback(event(2)) == 200

        await until(taken, 60)
        vanished.terminate()


async def test_hints_come_again_though_nobody_closed_the_connection_that_brought_them(
    database: str, proxied: tuple[str, Proxy], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "ALIVE_EVERY", 0.2)
    monkeypatch.setattr(tail, "ALIVE_WITHIN", 0.2)
    url, proxy = proxied
    async with tail.Tail.open(url, pool, "ledgerline", poll=3_600) as follower:
        await follower.wait()  # it listens
        for head in (1, 2, 3):
            accepted = proxy.accepted
            proxy.mute()
            async with writer.Writer.open(database, pool, "ledgerline") as other:
                await other.append([Draft(uuid4(), "topic", b"{}", uuid4(), head)], 0, patience=30)
            await follower.wait()
            while not await follower.after(head - 1, 1):
                await follower.wait()
            assert proxy.accepted > accepted


async def test_who_finds_every_connection_in_use_is_told_to_come_again(database: str) -> None:
    window = f"/api/lines/{LINE}/conversations/447700900123/window"
    async with simulated() as simulator, serving(database, simulator) as running, AsyncExitStack() as stack:
        pool = running.gateway.pool
        async with asyncio.timeout(60):
            for _ in range(pool.get_max_size()):
                await stack.enter_async_context(pool.acquire(timeout=60))
            for path in (window, "/api/events", "/api/messages?state=unknown"):
                status, _ = await running.get(path)
                assert (status, running.headers["Retry-After"]) == (503, "2")
            assert (await running.text())[0] == 503
        await stack.aclose()
        assert (await running.get("/api/events"))[0] == 200


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


async def test_the_server_and_its_guard_are_killed() -> None:
    async with own_server() as server, under_load(server.url) as traffic:
        for _ in range(ROUNDS):
            server.vanish()
            await is_answered_503(traffic.running)
            await traffic.progress()


FAILING = """
create function fails() returns trigger language plpgsql as $$ begin
  raise exception using errcode = '{}', message = 'could not extend file';
end $$;
create trigger fails before insert on ledgerline.stored_events execute function fails();
alter table ledgerline.stored_events enable always trigger fails;
"""
MENDED = "drop function fails cascade"
TROUBLES = {"disk full": "53100", "out of memory": "53200", "I/O error": "58030", "system error": "58000"} | {
    "no such file": "58P01",
    "shutting down": "57P01",
    "crashed": "57P02",
    "starting": "57P03",
}
"""What a server says that can't write and may be able to again, by SQLSTATE."""


@pytest.mark.parametrize("state", TROUBLES.values() if LONG else ["53100", "58030"])
async def test_the_server_says_that_it_can_not_write(database: str, state: str) -> None:
    admin = await asyncpg.connect(database)
    async with under_load(database) as traffic:
        await admin.execute(FAILING.format(state))
        await is_turned_away(traffic)
        await admin.execute(MENDED)
        await traffic.progress()
    await admin.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 100 MB."""
    folder = Path(tempfile.mkdtemp(prefix="ledgerline-"))
    try:
        if not told("mount", "-t", "tmpfs", "-o", "size=100m,mode=711", "tmpfs", str(folder)):
            pytest.skip("no disk may be mounted here; in the test before the server says that it is full")
        yield folder
        assert told("umount", str(folder))
    finally:
        folder.rmdir()


def told(*words: str) -> bool:
    """Whether the system did as it was told."""
    return subprocess.run(words, check=False, capture_output=True).returncode == 0  # noqa: S603 - our own words


def fill(ballast: Path) -> None:
    """Leave no room beside a file."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


async def test_the_disk_is_full(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    ballast = small_disk / "ballast"
    room = {"min_wal_size": "32MB", "max_wal_size": "48MB"}
    async with own_server(small_disk, **room) as server, under_load(server.url) as traffic:
        for _ in range(ROUNDS):
            fill(ballast)
            await is_turned_away(traffic)
            ballast.unlink()
            await traffic.progress()
    assert "DiskFullError" in caplog.text


async def is_turned_away(traffic: Traffic) -> None:
    """Sends are answered 503: nothing can be written."""
    before = traffic.statuses[503]

    async def refused() -> bool:
        return traffic.statuses[503] > before + 2

    await until(refused, 60)
