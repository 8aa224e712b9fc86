"""The log keeps back what became of a record: nothing is posted on the strength of it, and nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Self

import asyncpg
import pytest
from aiohttp import web
from running import ANN, LINE, Running, Start, until, whatsapp

from gateway import webhook
from gateway.sends import posting, send, settler

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}
KEY = {"Idempotency-Key": "order-1"}


class Hold:
    """Keeps the log from everybody who appends: they wait for the lock, and nobody tells them anything."""

    def __init__(self, db: asyncpg.Connection[asyncpg.Record]) -> None:
        self._db = db
        self._transaction = db.transaction()

    async def __aenter__(self) -> Self:
        await self._transaction.start()
        await self._db.execute("select from ledgerline.log_head for update")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transaction.commit()

    async def links_people(self) -> None:
        """What was sealed before is sealed again: whoever waits is sent back."""
        await self._db.execute("select ledgerline.next_epoch_1()")

    async def keeps_somebody(self) -> None:
        waits = "select count(*) from pg_locks where not granted"
        await until(lambda: self._db.fetchval(waits))


@pytest.fixture
async def hold(database: str) -> AsyncIterator[Hold]:
    db = await asyncpg.connect(database)
    yield Hold(db)
    await db.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settler, "PATIENCE", 0.0)


async def asked(gateway: Running) -> tuple[int, str]:
    """What the caller is told of its send."""
    status, _ = await gateway.send(TEMPLATE, headers=KEY)
    return status, gateway.headers["Ledgerline-Outcome"]


async def topics(gateway: Running) -> list[str]:
    return [event["topic"] for event in await gateway.events()]


async def test_what_may_not_be_recorded_is_not_posted(
    running: Running, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as meanwhile:
        async with hold:
            meanwhile.setattr(send, "PATIENCE", 0.3)
            for _ in range(2):
                assert (await running.send(TEMPLATE, headers=KEY))[0] == 503
                assert running.headers["Retry-After"]
    [failed] = await until(lambda: running.events("SendFailed"))
    assert (failed["data"]["safe"], failed["data"]["cause"]) == (True, "not attempted")
    assert await running.accepted() == []
    assert await asked(running) == (200, "accepted")
    assert await asked(running) == (200, "accepted")
    assert len(await running.accepted()) == 1
    sent = ["SendRequested", "SendDispatched"]
    assert (await topics(running))[:6] == [*sent, "SendFailed", *sent, "SendAccepted"]


class Accepting:
    """WhatsApp takes a send, and the log can't be had from this moment on."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self.answers = asyncio.Event()
        self.before: Callable[[], Awaitable[object]] | None = None
        """Something else that waits for the log by then."""

    async def __call__(self, _: web.Request) -> web.StreamResponse:
        await self._hold.__aenter__()
        if self.before is not None:
            asyncio.ensure_future(self.before())  # noqa: RUF006 - it ends with the hold
            await self._hold.keeps_somebody()
        self.answers.set()
        return web.json_response({"messages": [{"id": "wamid.A"}]})


@pytest.mark.parametrize("way", ["is on its way", "is on its way in vain", "waits behind another one"])
async def test_an_outcome_that_may_not_be_recorded_is_told_as_unknown_and_recorded_once(
    start: Start, hold: Hold, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(posting, "PATIENCE", 0.3)
    accepting = Accepting(hold)
    async with whatsapp(accepting) as (url, posted), start(upstream_url=url) as gateway:
        if way.startswith("waits"):
            accepting.before = partial(gateway.callback, {"odd": 1})
        assert await asked(gateway) == (500, "unknown")
        assert (await asked(gateway))[0] == 409
        await asyncio.sleep(3 * posting.PATIENCE)
        if way.endswith("vain"):
            await hold.links_people()
        await hold.__aexit__()
        await until(lambda: gateway.events("SendAccepted"))
        assert await asked(gateway) == (200, "accepted")
        sent = [topic for topic in await topics(gateway) if topic.startswith("Send")]
        assert sent == ["SendRequested", "SendDispatched", "SendAccepted"]
        assert len(posted) == 1


async def test_a_caller_that_leaves_does_not_stop_the_record_of_its_outcome(
    start: Start, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "AppRunner", partial(web.AppRunner, handler_cancellation=True))
    monkeypatch.setattr(posting, "PATIENCE", 30.0)
    accepting = Accepting(hold)
    async with whatsapp(accepting) as (url, posted), start(upstream_url=url) as gateway:
        accepting.before = partial(gateway.callback, {"odd": 1})

        async def waits() -> bool:
            return gateway.gateway.log.waiting > 0

        path = f"{gateway.url}/v26.0/{LINE}/messages"
        caller = asyncio.create_task(gateway.http.post(path, json=TEMPLATE))
        await accepting.answers.wait()
        await until(waits)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await asyncio.sleep(0.1)  # until the gateway has heard of it
        await hold.__aexit__()
        await until(lambda: gateway.events("SendAccepted"))
        assert len(posted) == 1


async def test_a_gateway_that_stops_waits_for_the_record_of_an_outcome(
    start: Start, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (posting, webhook):  # no request is under way any more, and the log is still held
        monkeypatch.setattr(module, "PATIENCE", 0.3)
    accepting = Accepting(hold)

    async def later() -> None:
        await asyncio.sleep(1.5)
        await hold.__aexit__()

    async with whatsapp(accepting) as (url, _):
        async with start(upstream_url=url) as gateway:
            accepting.before = partial(gateway.callback, {"odd": 1})
            assert await asked(gateway) == (500, "unknown")
            freeing = asyncio.create_task(later())
        await freeing
        async with start(upstream_url=url) as gateway:
            assert len(await gateway.events("SendAccepted")) == 1


async def test_a_repetition_that_may_not_be_recorded_is_not_posted(
    start: Start, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(request: web.Request) -> Any:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with whatsapp(lose) as (url, posted), start(upstream_url=url) as gateway:
        assert await asked(gateway) == (500, "unknown")
        send_id = gateway.headers["Ledgerline-Send-Id"]
        async with hold:
            monkeypatch.setattr(send, "PATIENCE", 0.3)
            status, _ = await gateway.post(f"/api/messages/{send_id}/settle", {"as": "resend"})
            assert status == 503
        [failed] = await until(lambda: gateway.events("SendFailed"))
        assert (failed["data"]["attempt"], failed["data"]["cause"]) == (2, "not attempted")
        assert len(posted) == 1
