"""WhatsApp and the network before it fail in every way: no message comes twice, and none is forgotten."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from aiohttp import web
from proxy import Proxy
from running import Running, until
from stage import LONG, serving, simulated
from traffic import Traffic, prove

from gateway.sends import settler

FAULTED = 1_000 if LONG else 75
"""Posts that go wrong, of twice as many."""
TIMEOUT = 0.6
"""Seconds that the gateway waits for WhatsApp."""

pytestmark = pytest.mark.timeout(900 if LONG else 120)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers of unknown sends are told sooner that no status came."""
    monkeypatch.setattr(settler, "PATIENCE", 1.0)


def raw(request: web.Request, data: bytes) -> None:
    """Bytes on the connection as they are, whatever HTTP says."""
    if request.transport is not None:
        request.transport.write(data)


def hang_up(request: web.Request) -> web.Response:
    """Reset the connection."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def error(code: int, status: int) -> web.Response:
    """Graph's envelope."""
    whole = {"error": {"message": f"(#{code}) Faulted", "type": "OAuthException", "code": code}}
    return web.json_response(whole, status=status)


async def well(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def lost_after_acceptance(request: web.Request, handler: Handler) -> web.StreamResponse:
    await handler(request)
    return hang_up(request)


async def late(request: web.Request, handler: Handler) -> web.StreamResponse:
    answer = await handler(request)
    await asyncio.sleep(2 * TIMEOUT)
    return answer


async def silent_before_acceptance(request: web.Request, _: Handler) -> web.StreamResponse:
    await request.read()
    await asyncio.sleep(2 * TIMEOUT)
    return hang_up(request)


async def broken_before_acceptance(request: web.Request, _: Handler) -> web.StreamResponse:
    await request.read()
    return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")


async def broken_after_acceptance(request: web.Request, handler: Handler) -> web.StreamResponse:
    await handler(request)
    return random.choice([error(131000, 500), error(131016, 503), web.Response(status=504)])  # noqa: S311


async def drips(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An answer byte by byte, too slow to be whole in time."""
    whole = await handler(request)
    assert isinstance(whole, web.Response)
    body = whole.body
    assert isinstance(body, bytes)
    answer = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await answer.prepare(request)
    for byte in body:
        await answer.write(bytes([byte]))
        await asyncio.sleep(TIMEOUT / 10)
    return answer


async def reset_within_the_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    await handler(request)
    raw(request, b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 300\r\n\r\n{"messa')
    await asyncio.sleep(0.05)
    return hang_up(request)


GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"HTTP/1.1 999 \xff\xfe\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\xff\xfe\x00[]",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"messages":[]}',
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /v26.0/1/messages\r\nContent-Length: 0\r\n\r\n",
    b'HTTP/1.1 400 Bad Request\r\nContent-Length: 11\r\n\r\n{"error":[]}'[:-1],
)


async def garbage(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bytes that are no answer of WhatsApp's, from something that may have passed the request on."""
    if random.random() < 0.5:  # noqa: S311
        await handler(request)
    raw(request, random.choice(GARBAGE))  # noqa: S311
    await asyncio.sleep(0.05)
    return hang_up(request)


async def throttles(request: web.Request, _: Handler) -> web.StreamResponse:
    await request.read()
    return random.choice([error(130429, 429), error(131056, 400), error(80007, 400), error(4, 400)])  # noqa: S311


async def refuses(request: web.Request, _: Handler) -> web.StreamResponse:
    await request.read()
    return error(131026, 400)


FAULTS = (
    *(lost_after_acceptance, late, silent_before_acceptance, broken_before_acceptance),
    *(broken_after_acceptance, drips, reset_within_the_answer, garbage, throttles, refuses),
)


class Faulty:
    """A middleware around the simulator: half of the sends go well."""

    def __init__(self) -> None:
        self.on = False
        self.seen: Counter[str] = Counter()

    @property
    def faulted(self) -> int:
        """How many posts went wrong."""
        return self.seen.total() - self.seen["well"]

    def middleware(self) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
        @web.middleware
        async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not self.on or not request.path.endswith("/messages"):
                return await handler(request)
            what = random.choice([*FAULTS, *[well] * len(FAULTS)])  # noqa: S311
            self.seen[what.__name__] += 1
            return await what(request, handler)

        return fault


async def troubles(proxy: Proxy, stopped: asyncio.Event) -> None:
    """The network between gateway and WhatsApp, now and then."""
    while not stopped.is_set():
        await asyncio.sleep(0.3)
        match random.choice(["cut", "refuse", "half", "silence", "well"]):  # noqa: S311
            case "cut":
                proxy.cut()
            case "refuse":
                proxy.refuses = True
                proxy.cut()
                await asyncio.sleep(0.1)
                proxy.refuses = False
            case "half":
                proxy.half_close()
            case "silence":
                proxy.stall(random.choice(["there", "back"]))  # noqa: S311
                await asyncio.sleep(1.2 * TIMEOUT)
                proxy.flow()
            case _:
                pass


async def unknown_ids(running: Running) -> set[str]:
    """What operators see as unknown."""
    found: set[str] = set()
    after = "0"
    while True:
        status, page = await running.get("/api/messages", state="unknown", after=after)
        assert status == 200, page
        if not page["messages"]:
            return found
        found |= {one["send_id"] for one in page["messages"]}
        after = str(page["next"])


async def test_every_send_is_accepted_failed_or_listed_unknown_and_none_is_doubled(database: str) -> None:
    random.seed(20261125)
    faulty, stopped = Faulty(), asyncio.Event()
    async with simulated(faulty.middleware()) as simulator:
        place = ("127.0.0.1", int(simulator.graph_url.rpartition(":")[2]))
        async with (
            Proxy.before(place) as proxy,
            serving(
                database, simulator, upstream_url=f"http://127.0.0.1:{proxy.port}", upstream_timeout=TIMEOUT
            ) as running,
        ):
            traffic = Traffic(running)
            await traffic.open_windows()
            faulty.on = True
            network = asyncio.create_task(troubles(proxy, stopped))
            numbers = count()

            async def call() -> None:
                while faulty.faulted < FAULTED:
                    await traffic.send(next(numbers))

            async with traffic.follower.following(), asyncio.TaskGroup() as callers:
                for _ in range(12):
                    callers.create_task(call())
            stopped.set()
            await network
            faulty.on = False
            states = await proved(traffic, database)
    assert len(states) == next(numbers)
    assert {name.__name__ for name in FAULTS} <= set(faulty.seen)
    assert {"accepted", "failed", "unknown"} == set(states.values())


async def proved(traffic: Traffic, database: str) -> dict[str, str]:
    """As `prove`; beside it what is unknown is listed, and only what WhatsApp never took."""
    running = traffic.running
    taken = {message.body["text"]["body"] for message in running.simulator.accepted.values()}

    async def settled() -> bool:
        await running.settled()
        unknown = await unknown_ids(running)
        last = {text: answers[-1].send_id for text, answers in traffic.answers.items()}
        return not unknown & {last[text] for text in taken}

    await until(settled, 60)
    states = await prove(traffic, database)
    unknown = {traffic.answers[text][-1].send_id for text, state in states.items() if state == "unknown"}
    assert unknown == await unknown_ids(running)
    for text, answers in traffic.answers.items():
        again = await traffic.once(int(text.split()[1]))
        expected = {"accepted": "accepted", "failed": "failed", "unknown": "unknown"}[states[text]]
        assert again.outcome == expected, (text, answers, again)
    return states
