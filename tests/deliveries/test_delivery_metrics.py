"""What /metrics tells of deliveries: how far each destination is behind, and nothing of what it gets."""

from __future__ import annotations

from typing import Final

from running import ANN, Running, until
from sinks import Delivery, Sink, added, sink

NAMED: Final = 'destination="crm"'


async def exposed(gateway: Running) -> dict[str, float]:
    """What is told of the destination crm, by name and other labels."""
    _, text = await gateway.get("/metrics")
    lines = [line for line in text.splitlines() if NAMED in line and "_created" not in line]
    return {
        name.replace(NAMED, "").replace("{,", "{").replace("{}", ""): float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
    }


async def test_what_is_delivered_and_failed_is_counted(running: Running, hook: Sink) -> None:
    hook.verdict = lambda one: 400 if b"No" in one.body else 200
    await added(running, hook)

    await running.writes(ANN, type="text", text={"body": "Yes"})
    await running.writes("447700900124", type="text", text={"body": "No"})

    async def is_counted() -> bool:
        told = await exposed(running)
        return (
            told.get('ledgerline_deliveries_total{outcome="delivered"}', 0) == 1
            and told.get('ledgerline_deliveries_total{outcome="failed"}', 0) >= 1
            and told["ledgerline_destination_parked"] == 1
        )

    await until(is_counted, 20)
    told = await exposed(running)
    assert told["ledgerline_destination_dead_letters"] == 0
    assert told["ledgerline_destination_active"] == 1
    _, text = await running.get("/metrics")
    assert ANN not in text
    assert hook.url not in text


async def test_a_destination_that_stands_still_is_behind(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    path = f"{running.url}/api/destinations/{made['id']}"
    async with running.http.patch(path, json={"state": "paused"}):
        pass
    before = (await exposed(running))["ledgerline_destination_lag"]

    for number in range(3):
        await running.writes(ANN, type="text", text={"body": str(number)})
    await running.advance(60)

    told = await exposed(running)
    assert told["ledgerline_destination_lag"] == before + 3
    assert told["ledgerline_destination_lag_seconds"] >= 60
    assert told["ledgerline_destination_active"] == 0

    async with running.http.delete(path):
        pass
    assert not any(name.startswith("ledgerline_destination_") for name in await exposed(running))


async def test_each_destination_is_counted_by_its_own_name(running: Running, hook: Sink) -> None:
    def refuses(_: Delivery) -> int:
        return 410

    async with sink(verdict=refuses) as gone:
        await added(running, hook)
        await added(running, gone, name="gone")
        await running.writes()

        async def is_disabled() -> bool:
            _, text = await running.get("/metrics")
            return 'ledgerline_destination_active{destination="gone"} 0.0' in text

        await until(is_disabled, 20)
        _, text = await running.get("/metrics")
        assert 'ledgerline_deliveries_total{destination="gone",outcome="gone"} 1.0' in text
        assert 'ledgerline_destination_active{destination="crm"} 1.0' in text
