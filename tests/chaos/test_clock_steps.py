"""The clock of one of two gateways steps by minutes: log, windows and patience are as they should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from running import Running
from stage import LONG, serving, simulated
from traffic import CUSTOMERS, Traffic, prove

from domain.events import MessageReceived, Recorded, SendUnknown
from gateway.sandbox.faults import Fault
from gateway.sandbox.simulator import Simulator
from gateway.sends import settler

AHEAD = timedelta(minutes=5)
"""How far `at_used` may lie behind `recorded_at`'s future (design: 4, times)."""
pytestmark = pytest.mark.timeout(900 if LONG else 120)

STEPS = [timedelta(minutes=minutes) for minutes in (7, -7, 0, -30, 30)]


@dataclass
class Stepping:
    """A clock that somebody sets."""

    off: timedelta = field(default=timedelta())

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off


@asynccontextmanager
async def two(
    database: str, clock: Stepping, **settings: Any
) -> AsyncIterator[tuple[Running, Running, Simulator]]:
    """One gateway with a clock that steps, one with the machine's; WhatsApp calls back to the first."""
    async with (
        simulated() as simulator,
        serving(database, simulator, **settings) as steady,
        serving(database, simulator, clock=clock.now, **settings) as stepping,
    ):
        yield stepping, steady, simulator


async def heard(running: Running) -> list[MessageReceived]:
    """The messages in the log, in order."""
    found = await running.gateway.log.after(0, 10_000)
    assert all(isinstance(item, Recorded) for item in found)
    return [item.event for item in found if isinstance(item.event, MessageReceived)]


@pytest.mark.parametrize("step", STEPS)
async def test_the_time_that_counts_is_whatsapps_but_at_most_five_minutes_ahead(
    database: str, step: timedelta
) -> None:
    clock = Stepping(step)
    async with two(database, clock) as (stepping, steady, _):
        await stepping.writes()
        [event] = await heard(stepping)
        assert event.at is not None
        assert event.at_used == min(event.at, int((event.timestamp + AHEAD).timestamp()))
        assert abs(event.timestamp - clock.now()) < timedelta(minutes=1)
        # A window never begins later than WhatsApp says, and by at most the step less five minutes before.
        for one in (stepping, steady):
            await one.gateway.runner.catch_up()
            status, _ = await one.text()
            assert status == 200
        lost = max(timedelta(), -step - AHEAD)
        assert abs(event.at - event.at_used - lost.total_seconds()) < 60


async def test_a_window_is_open_or_closed_by_the_clock_of_who_is_asked(database: str) -> None:
    clock = Stepping()
    async with two(database, clock) as (stepping, steady, _):
        await stepping.writes()
        clock.off = timedelta(hours=24, minutes=5)
        assert (await stepping.text())[0] == 400
        assert (await steady.text())[0] == 200
        clock.off = timedelta(minutes=-10)
        assert (await stepping.text())[0] == 200


async def test_steps_under_load_lose_nothing_and_give_nothing_up(database: str) -> None:
    clock = Stepping()
    async with two(database, clock) as (stepping, steady, _):
        first, second = Traffic(stepping), Traffic(steady)
        await first.open_windows()
        async with first.flowing(callers=2), second.flowing(callers=2, start=1_000_000):
            for step in STEPS * (4 if LONG else 1):
                clock.off = step
                await first.progress()
                await second.progress()
        first.answers |= second.answers
        first.written += second.written
        states = await prove(first, database, steady)
        assert set(states.values()) == {"accepted"}
        assert set(first.statuses) == {200}
        streams = {event.originator_id for event in await heard(steady)}
        assert len(streams) == len(CUSTOMERS)


async def test_a_send_on_its_way_is_given_up_by_elapsed_time_alone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WhatsApp takes two seconds; meanwhile the clock of a gateway jumps over every limit, and back."""
    monkeypatch.setattr(settler, "SWEEP", 0.1)
    clock = Stepping()
    async with two(database, clock) as (stepping, steady, simulator):
        await stepping.writes()
        simulator.faults.add(Fault("delay", seconds=2.0))
        sending = asyncio.create_task(steady.text())
        for step in (*STEPS, timedelta(hours=3), timedelta(hours=-3)):
            clock.off = step
            for one in (stepping, steady):
                await one.gateway.runner.catch_up()
                await one.gateway.settler.sweep()
            await asyncio.sleep(0.1)
        status, _ = await sending
        assert status == 200
        found = await steady.gateway.log.after(0, 1_000)
        assert not [item for item in found if isinstance(item.event, SendUnknown)]  # type: ignore[union-attr]
