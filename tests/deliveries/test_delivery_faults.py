"""Nothing is lost, and order holds, whatever destinations, gateways and people do."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import Any
from uuid import uuid4

import asyncpg
from running import ANN, Running, Start, until
from sinks import Delivery, Sink, added, sink, text_of

from gateway.store.deliveries import PARTITIONS

BEN = "447700900456"


def says(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": text}}


async def test_order_holds_and_nothing_is_lost_while_a_destination_fails_at_random(
    running: Running, hook: Sink
) -> None:
    dice = random.Random(7)  # noqa: S311 - a test that is the same each time
    await added(running, hook)
    hook.verdict = lambda _: dice.choice((200, 200, 200, 500, 429, 302))
    people = [f"4477009{number:05d}" for number in range(6)]
    for number in range(5):
        for person in people:
            await running.writes(person, **says(f"{person} {number}"))

    async def all_taken() -> bool:
        await running.advance(2 * 3_600)
        await asyncio.sleep(0.3)
        return len(set(hook.texts())) == 30

    await until(all_taken, seconds=60)

    # Taken means answered with 2xx, and that is never repeated here: each once, in order.
    in_order: dict[str, list[int]] = defaultdict(list)
    for text in hook.texts():
        person, number = text.split()
        in_order[person].append(int(number))
    assert in_order == {person: list(range(5)) for person in people}
    assert len({one.event for one in hook.taken}) == 30


async def test_a_dead_or_slow_destination_costs_another_one_nothing(running: Running) -> None:
    async with sink() as good, sink(pause=5.0) as slow:
        await added(running, good)
        await added(running, slow, name="slow")
        await added(running, Sink("http://127.0.0.1:9/dead"), name="dead")
        for number in range(60):
            await running.writes(f"4477009{number:05d}", **says(str(number)))

        await until(lambda: _are(good.taken, 60))

        assert len(slow.taken) < 60
        assert len(slow.got) <= 32


async def test_the_partitions_of_a_gateway_that_died_are_taken_over(
    start: Start, database: str, hook: Sink
) -> None:
    dead = uuid4()
    async with start() as first:
        await added(first, hook)
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            "update ledgerline.delivery_partitions set owner = $1, until = now() + interval '3 s'", dead
        )
        await connection.execute(
            "insert into ledgerline.delivery_owners values ($1, now() + interval '3 s')", dead
        )
        async with start() as second:
            await second.writes(ANN, **says("one"))
            await until(lambda: _are(hook.taken, 1))
            owners = await until(lambda: _owners(connection))
    finally:
        await connection.close()

    assert len(owners) == 1
    assert owners != {dead}
    assert hook.texts() == ["one"]


async def test_two_gateways_share_and_each_event_is_delivered_once(
    start: Start, database: str, hook: Sink
) -> None:
    connection = await asyncpg.connect(database)
    try:
        async with start() as first, start() as second:
            await added(first, hook)
            owners = await until(lambda: _owners(connection, 2))
            people = [f"4477009{number:05d}" for number in range(20)]
            for person in people:
                for gateway in (first, second):
                    await gateway.writes(person, **says(person))
            await until(lambda: _are(hook.taken, 40))
            assert sorted(owners.values()) == [PARTITIONS // 2, PARTITIONS // 2]
            assert len({one.event for one in hook.taken}) == 40
        assert await _owners(connection, 0) == {}
    finally:
        await connection.close()


async def test_what_is_parked_is_delivered_after_a_restart(start: Start, hook: Sink) -> None:
    hook.verdict = lambda one: 500 if text_of(one) == "poison" else 200
    async with start() as gateway:
        await added(gateway, hook)
        await gateway.writes(ANN, **says("poison"))
        await gateway.writes(ANN, **says("behind"))
        await gateway.writes(BEN, **says("other"))
        await until(lambda: _are(hook.taken, 1))
        await until(lambda: _parked(gateway, 2))
    hook.verdict = lambda _: 200
    async with start() as gateway:
        await gateway.writes(ANN, **says("later"))
        await gateway.advance(60)
        await until(lambda: _are(hook.taken, 4))

    assert hook.texts() == ["other", "poison", "behind", "later"]


async def test_who_was_forgotten_is_skipped_in_whatsapps_format_and_sealed_in_ours(
    start: Start, database: str, hook: Sink
) -> None:
    async with start() as gateway:
        await gateway.writes(ANN, **says("forget me"))
    connection = await asyncpg.connect(database)
    await connection.execute("delete from ledgerline.person_keys")
    await connection.close()

    async with start() as gateway, sink() as ours:
        made = await added(gateway, hook, **{"from": 1})
        await added(
            gateway, ours, name="ours", format="events", filter={"topics": ["MessageReceived"]}, **{"from": 1}
        )
        await gateway.writes(BEN, **says("keep me"))
        await until(lambda: _are(hook.taken, 1))
        await until(lambda: _are(ours.taken, 2))
        shown = await until(lambda: _delivered(gateway, made))

    assert hook.texts() == ["keep me"]
    assert (shown["delivered"], shown["skipped"], shown["parked"]) == (1, 1, 0)
    forgotten, kept = (one.json["data"]["data"] for one in ours.taken)
    assert forgotten["erased"] is True
    assert "opened" not in forgotten
    assert kept["opened"]["item"]["text"]["body"] == "keep me"


async def test_a_connection_that_closes_in_silence_is_tried_again(running: Running, hook: Sink) -> None:
    await added(running, hook)
    await running.writes(ANN, **says("one"))
    await until(lambda: _are(hook.taken, 1))

    # The destination closes what it kept open, as servers do after a while.
    hook.hang_up()
    await running.writes(ANN, **says("two"))
    await until(lambda: _are(hook.taken, 2))

    assert hook.texts() == ["one", "two"]


async def _are(found: list[Delivery], count: int) -> bool:
    return len(found) >= count


async def _owners(connection: Any, count: int = 1) -> dict[Any, int] | None:
    rows = await connection.fetch(
        "select owner, count(*) from ledgerline.delivery_partitions where until > now() group by owner"
    )
    return {row[0]: row[1] for row in rows} if len(rows) == count else None


async def _parked(gateway: Running, count: int) -> bool:
    _, answer = await gateway.get("/api/destinations")
    _, shown = await gateway.get(f"/api/destinations/{answer['destinations'][0]['id']}")
    return bool(shown["parked"] == count)


async def _delivered(gateway: Running, made: dict[str, Any]) -> dict[str, Any] | None:
    _, shown = await gateway.get(f"/api/destinations/{made['id']}")
    return dict(shown) if shown["delivered"] else None
