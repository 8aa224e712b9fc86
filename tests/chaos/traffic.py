"""A light mixed load that keeps the rules, and the proof that what was promised to it holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson
from follower import Follower
from running import LINE, Running, until

from domain.events import (
    MessageReceived,
    Recorded,
    SendAccepted,
    SendDispatched,
    SendFailed,
    SendUnknown,
    StatusReceived,
)
from gateway.app import Databases
from gateway.audit import verify_log

CUSTOMERS = [f"4477009{number:05}" for number in range(8)]
HANGS = aiohttp.ClientTimeout(total=60)
"""Whoever waits longer for an answer waits for ever."""
AGAIN = frozenset({409, 429, 503})
THROTTLED = frozenset({4, 80007, 130429, 131056})


@dataclass(frozen=True, slots=True)
class Answer:
    """What one try of a send was answered."""

    status: int
    code: int | None
    outcome: str | None
    send_id: str | None
    retry_after: str | None

    @property
    def may_be_repeated(self) -> bool:
        """Whether a client tries again, with the same Idempotency-Key."""
        return self.status in AGAIN or self.code in THROTTLED


@dataclass
class Traffic:
    """Customers who write and callers who send; remembers every answer."""

    running: Running
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """By text, which is different in every send."""
    written: list[str] = field(default_factory=list)
    """Ids of the messages that customers wrote; WhatsApp calls back until each is acknowledged."""
    follower: Follower = field(init=False)
    """Reads the feed as long as traffic flows."""

    def __post_init__(self) -> None:
        self.follower = Follower(lambda: self.running)

    @property
    def statuses(self) -> Counter[int]:
        """How often each HTTP status was answered to sends."""
        return Counter(answer.status for answers in self.answers.values() for answer in answers)

    def customer_writes(self, customer: str) -> None:
        """The callback follows by itself."""
        wamid, _ = self.running.simulator.write(customer, {"type": "text", "text": {"body": "Hello?"}})
        self.written.append(wamid)

    async def open_windows(self) -> None:
        """Everybody writes, so that everybody may be written to."""
        for customer in CUSTOMERS:
            self.customer_writes(customer)
        await self.running.settled()

    async def send(self, number: int) -> Answer:
        """Send a text as a client does that keeps the rules: with one key, until it knows."""
        while (answer := await self.once(number)).may_be_repeated:
            if answer.status in {409, 503}:
                assert answer.retry_after is not None
            await asyncio.sleep(0.1)
        return answer

    async def once(self, number: int) -> Answer:
        """One try of a send."""
        text = f"Message {number}"
        body = {
            "messaging_product": "whatsapp",
            "to": CUSTOMERS[number % len(CUSTOMERS)],
            "type": "text",
            "text": {"body": text},
        }
        headers = {"Idempotency-Key": f"key-{number}"}
        url = f"{self.running.url}/v26.0/{LINE}/messages"
        async with self.running.http.post(url, json=body, headers=headers, timeout=HANGS) as response:
            told = orjson.loads(await response.read())
        answer = Answer(
            response.status,
            told.get("error", {}).get("code"),
            response.headers.get("Ledgerline-Outcome"),
            response.headers.get("Ledgerline-Send-Id"),
            response.headers.get("Retry-After"),
        )
        self.answers.setdefault(text, []).append(answer)
        return answer

    @contextlib.asynccontextmanager
    async def flowing(self, callers: int = 4, start: int = 0) -> AsyncIterator[None]:
        """Load while the block runs; at its end every send that was begun comes to its answer."""
        stopped = asyncio.Event()
        numbers = iter(range(start, start + 1_000_000))

        async def call() -> None:
            while not stopped.is_set():
                await self.send(next(numbers))
                await asyncio.sleep(0.01)

        async def write() -> None:
            turn = 0
            while not stopped.is_set():
                self.customer_writes(CUSTOMERS[turn % len(CUSTOMERS)])
                turn += 1
                await asyncio.sleep(0.03)

        async with self.follower.following(), asyncio.TaskGroup() as tasks:
            for work in [write(), *(call() for _ in range(callers))]:
                tasks.create_task(work)
            try:
                yield
            finally:
                stopped.set()

    async def progress(self) -> None:
        """Wait until sends are accepted and customers heard again."""
        count = self.statuses[200]
        heard = self.running.simulator.callbacks

        async def moved() -> bool:
            return self.statuses[200] > count + 4

        await until(moved, 60)
        assert heard.url


async def prove(traffic: Traffic, database: str, *others: Running) -> dict[str, str]:
    """Nothing acknowledged is lost, nothing doubled; gives the last state of each send by its text.

    `database`: of the log, directly; `others`: gateways on the same log.
    """
    running = traffic.running
    await asyncio.wait_for(running.settled(), 60)

    async def drained() -> bool:
        return not any(one.gateway.tasks for one in (running, *others))

    await until(drained, 60)
    log = await _log(running)
    _prove_order(log)
    _prove_inbound(running, log, traffic.written)
    _prove_outcomes(log)
    await traffic.follower.sees(len(log))
    await _prove_sound(database)
    return await _prove_sends(traffic)


async def _log(running: Running) -> list[Recorded]:
    found: list[Any] = []
    while page := await running.gateway.log.after(len(found), 1000):
        found += page
    return found


async def _prove_sound(database: str) -> None:
    """The log's own audit finds nothing."""
    said: list[str] = []
    now, patience = datetime.now(UTC), timedelta(minutes=1)
    url = Databases(database, database, ())
    assert await verify_log(url, "ledgerline", now=now, patience=patience, say=said.append) == 0, said


def _prove_order(log: list[Recorded]) -> None:
    assert [item.position for item in log] == list(range(1, len(log) + 1))
    assert all(isinstance(item, Recorded) for item in log)
    keys = Counter(item.event.key for item in log)
    assert max(keys.values()) == 1


def _prove_inbound(running: Running, log: list[Recorded], written: list[str]) -> None:
    """Every message and status that was acknowledged to WhatsApp is in the log, once."""
    ids = running.gateway.log.ids
    heard = Counter(item.event.message_key for item in log if isinstance(item.event, MessageReceived))
    assert heard == Counter(str(ids.message(wamid)) for wamid in written)
    told = Counter(
        (item.event.message_key, item.event.status) for item in log if isinstance(item.event, StatusReceived)
    )
    assert told == Counter(
        (str(ids.message(message.message_id)), status.word)
        for message in running.simulator.accepted.values()
        for status in message.statuses
    )


def _prove_outcomes(log: list[Recorded]) -> None:
    """Each dispatch has one outcome."""
    left = Counter(
        (item.event.send_id, item.event.attempt) for item in log if isinstance(item.event, SendDispatched)
    )
    outcomes = Counter(
        (item.event.send_id, item.event.attempt)
        for item in log
        if isinstance(item.event, SendAccepted | SendFailed | SendUnknown)
    )
    assert left == outcomes
    assert set(left.values()) <= {1}


async def _prove_sends(traffic: Traffic) -> dict[str, str]:
    """What callers were told is what happened at WhatsApp, where nobody got a message twice."""
    sent = Counter(message.body["text"]["body"] for message in traffic.running.simulator.accepted.values())
    assert set(sent.values()) <= {1}
    assert set(sent) <= set(traffic.answers)
    states = {}
    for text, answers in traffic.answers.items():
        last = answers[-1]
        status, message = await traffic.running.get(f"/api/messages/{last.send_id}")
        assert status == 200, (text, answers)
        states[text] = _simple(message["state"])
        told = {answer.outcome for answer in answers} - {None}
        assert states[text] == ("accepted" if text in sent else states[text]), (text, answers)
        if "accepted" in told:
            assert text in sent, (text, answers)
        if states[text] == "accepted":
            assert text in sent, (text, answers)
    return states


def _simple(state: str) -> str:
    return "accepted" if state in {"accepted", "sent", "delivered", "read", "played"} else state
