"""Two gateways on one log under mixed load, killed at random moments."""

from __future__ import annotations

import asyncio
import base64
import os
import random
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from itertools import count
from uuid import uuid4

import pytest
from audit import Known, audit
from processes import SEND, House, Process, free_port
from running import MASTER_KEY, until

from gateway.sandbox.faults import Fault

KILLS = int(os.environ.get("CHAOS_KILLS", "10"))
CALLERS, CUSTOMERS = 3, 2
TEMPLATE = {"name": "order_update", "language": {"code": "en_GB"}}


class Pair:
    """Two places for gateways; mostly one of them lives."""

    def __init__(self, home: House, stack: AsyncExitStack) -> None:
        self._home = home
        self._stack = stack
        self._draw = random.SystemRandom()
        self._there: dict[int, Process] = {}
        self._ports = free_port(), free_port()

    async def open(self, place: int) -> None:
        """A gateway begins, where one was before."""
        gateway = await self._stack.enter_async_context(self._home.gateway(port=self._ports[place]))
        self._there[place] = gateway

    @property
    def any(self) -> Process:
        """Whoever a caller happens to turn to: it may be dead."""
        return self._draw.choice([*self._there.values()])

    async def kill_now_and_then(self, times: int, known: Known) -> None:
        """One of the two or both, at a moment that nothing chose, but with a send between any two."""
        killed = 0
        while killed < times:
            before = len(known.told)
            await asyncio.sleep(self._draw.uniform(0, 1.0))
            await until(partial(has_grown, known, before), 60)
            doomed = self._draw.choice([[0], [1], [0, 1]])
            for place in doomed:
                self._there[place].kill()
            for place in doomed:
                await self._there[place].died()
            await asyncio.gather(*map(self.open, doomed))
            killed += len(doomed)


class Load:
    """Callers, customers, and WhatsApp's own troubles, until it is over."""

    def __init__(self, home: House, pair: Pair) -> None:
        self._home = home
        self._pair = pair
        self._draw = random.SystemRandom()
        self.over = asyncio.Event()
        self.known = Known()

    async def call(self, caller: int) -> None:
        """Send one message after the other, each with a key and as often as it takes."""
        while not self.over.is_set():
            key, to = str(uuid4()), f"+4477009{caller:02d}{self._draw.randrange(1000):03d}"
            body = {"messaging_product": "whatsapp", "to": to, "type": "template", "template": TEMPLATE}
            while True:
                answer = await self._pair.any.ask(SEND, body, key=key)
                if answer is not None and answer.status not in (409, 503):
                    break
                await asyncio.sleep(0.05)
            assert answer.outcome in ("accepted", "unknown"), (answer.status, answer.body)
            if answer.outcome == "accepted":
                self.known.told[answer.send_id] = answer.body["messages"][0]["id"]
            await asyncio.sleep(0.02)

    async def write(self, customer: int) -> None:
        """Write to the line, and wait until WhatsApp has handed it over."""
        for number in count():
            if self.over.is_set():
                return
            text = {"type": "text", "text": {"body": f"Message {number}"}}
            _, update = self._home.simulator.write(f"4477008{customer:05d}", text)
            await update.acknowledged.wait()
            await asyncio.sleep(0.05)

    async def trouble(self) -> None:
        """Callbacks go to either gateway, some twice, some out of order; now and then something gets lost."""
        while not self.over.is_set():
            self._home.simulator.callbacks.url = f"{self._pair.any.url}/webhooks/whatsapp"
            self._home.simulator.faults.clear()
            self._home.simulator.faults.add(Fault(self._draw.choice(["duplicate", "reorder"])))
            self._home.network.loses = self._draw.choice([None, None, None, "answer", "send"])
            await asyncio.sleep(0.1)
        self._home.network.loses = None
        self._home.simulator.faults.clear()


async def has_grown(known: Known, before: int) -> bool:
    return len(known.told) > before


async def loaded(home: House, pair: Pair, times: int) -> Load:
    """Kill under load; what was done, and known to be done, in the meantime."""
    load = Load(home, pair)
    async with asyncio.TaskGroup() as tasks:
        for caller in range(CALLERS):
            tasks.create_task(load.call(caller))
        for customer in range(CUSTOMERS):
            tasks.create_task(load.write(customer))
        tasks.create_task(load.trouble())
        await pair.kill_now_and_then(times, load.known)
        load.over.set()
    await home.simulator.callbacks.settled()
    load.known.learn(home.simulator)
    return load


async def sound(home: House, known: Known) -> list[str]:
    """What the audit says once every send has an outcome and every status has settled what it could."""
    key, said = base64.b64decode(MASTER_KEY), []
    for _ in range(40):
        said.clear()
        if not await audit(home.database, key, known, patience=timedelta(), say=said.append):
            return said
        await asyncio.sleep(0.5)
    pytest.fail("\n".join(said))
