"""What operators order while deliveries run: to resume at once, and to deliver again."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from running import ANN, Running, Start, until
from sinks import Sink, added, sink, text_of
from structlog.testing import capture_logs
from test_destinations_api import command

from gateway.store.deliveries import PARTITIONS, DeliveryTables

BEN = "447700900456"


def says(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": text}}


async def shows(gateway: Running, made: dict[str, Any], **wanted: Any) -> bool:
    _, shown = await gateway.get(f"/api/destinations/{made['id']}")
    return wanted.items() <= shown.items()


async def has(hook: Sink, count: int) -> bool:
    return len(hook.taken) >= count


async def test_resume_tries_at_once_what_waits(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    hook.verdict = lambda one: 500 if text_of(one) == "poison" else 200
    await running.writes(ANN, **says("poison"))
    await until(lambda: shows(running, made, parked=1))
    await running.advance(6)
    await until(lambda: _tried(hook, 2))
    hook.verdict = lambda _: 200

    status, _ = await running.post(f"/api/destinations/{made['id']}/resume", {})

    assert status == 200
    await until(lambda: has(hook, 1))
    assert hook.texts() == ["poison"]


async def test_who_resumes_after_five_days_is_not_paused_by_the_next_failure(
    running: Running, hook: Sink
) -> None:
    made = await added(running, hook)
    hook.verdict = lambda _: 500
    await running.writes(ANN, **says("one"))
    await until(lambda: shows(running, made, parked=1))
    await running.advance(5 * 24 * 3600)
    await until(lambda: shows(running, made, state="paused"))
    tried = len(hook.got)

    await running.post(f"/api/destinations/{made['id']}/resume", {})
    await until(lambda: _tried(hook, tried + 1))
    hook.verdict = lambda _: 200
    await running.advance(60)
    await until(lambda: has(hook, 1))

    assert await shows(running, made, state="active", dead=0)


async def test_only_the_owner_of_a_partition_goes_back(running: Running, hook: Sink, database: str) -> None:
    made = await added(running, hook)
    path = f"{running.url}/api/destinations/{made['id']}"
    async with running.http.patch(path, json={"state": "paused"}):
        pass
    await running.writes(ANN, **says("one"))
    await running.post(f"/api/destinations/{made['id']}/redeliver", {"from": 1})
    async with asyncpg.create_pool(database, min_size=1, max_size=1) as pool:
        stranger = DeliveryTables(pool, "ledgerline", owner=uuid4())

        cursors = await stranger.cursors(UUID(made["id"]), range(PARTITIONS))
        ordered = await pool.fetchval(
            "select count(*) from ledgerline.delivery_cursors where back_to is not null"
        )

    assert len(cursors) == PARTITIONS
    assert ordered == PARTITIONS


async def test_the_command_delivers_again_in_all_three_ways(start: Start, database: str, hook: Sink) -> None:
    hook.verdict = lambda one: 500 if text_of(one) == "poison" else 200
    async with start() as gateway:
        made = await added(gateway, hook)
        await gateway.writes(ANN, **says("poison"))
        await until(lambda: shows(gateway, made, parked=1))
        await gateway.writes(BEN, **says("fine"))
        await until(lambda: has(hook, 1))
        await gateway.advance(5 * 24 * 3600)
        await until(lambda: shows(gateway, made, dead=1, parked=0))
        _, fine = await gateway.events("MessageReceived")
        hook.verdict = lambda _: 200

        for count, words in (
            (2, ("--failed",)),
            (3, ("--from", str(fine["position"]))),
            (4, ("--since", fine["recorded_at"])),
        ):
            code, said = await command(database, "redeliver", "crm", *words)
            assert code == 0, said
            await until(lambda count=count: has(hook, count))
            # Delivered is not yet noted: a new order would have it come twice.
            await until(lambda: shows(gateway, made, parked=0, dead=0))

    assert hook.texts() == ["fine", "poison", "fine", "fine"]


async def test_who_is_removed_amid_deliveries_gets_nothing_more_and_the_others_everything(
    running: Running, hook: Sink
) -> None:
    async with sink(pause=0.5) as slow:
        made = await added(running, slow, name="slow")
        await added(running, hook)
        for number in range(5):
            await running.writes(ANN, **says(str(number)))
        await until(lambda: has(slow, 1))
        async with running.http.delete(f"{running.url}/api/destinations/{made['id']}") as answer:
            assert answer.status == 204
        await running.writes(ANN, **says("after"))
        await until(lambda: has(hook, 6))

        assert "after" not in slow.texts()
        assert hook.texts() == ["0", "1", "2", "3", "4", "after"]
        assert (await running.get(f"/api/destinations/{made['id']}"))[0] == 404


async def test_who_is_removed_while_it_fails_is_no_fault(start: Start) -> None:
    with capture_logs() as logged:
        async with sink(pause=0.5, verdict=lambda _: 500) as failing, start() as gateway:
            made = await added(gateway, failing)
            await gateway.writes(ANN, **says("one"))
            await until(lambda: _tried(failing, 1))
            async with gateway.http.delete(f"{gateway.url}/api/destinations/{made['id']}") as answer:
                assert answer.status == 204

    assert [one["event"] for one in logged if one["log_level"] != "info"] == []


async def test_a_name_that_is_taken_is_refused_by_the_command(
    running: Running, database: str, hook: Sink
) -> None:
    await added(running, hook, secret="the-app-secret")

    code, said = await command(database, "destinations", "add", "crm", hook.url)

    assert (code, "there is a destination with this name" in said) == (1, True)
    assert "the-app-secret" not in said


async def test_an_event_that_was_changed_in_the_log_stops_no_other(
    start: Start, database: str, hook: Sink
) -> None:
    async with start() as gateway:
        for text in ("one", "two", "three"):
            await gateway.writes(ANN, **says(text))
        _, two, _ = await gateway.events("MessageReceived")
    connection = await asyncpg.connect(database)
    try:
        state = await connection.fetchval(
            "select state from ledgerline.stored_events where notification_id = $1", two["position"]
        )
        sealed = orjson.loads(state)["sealed"].encode()
        changed = sealed[:-10] + (b"AAAAAA" if sealed[-10:-4] != b"AAAAAA" else b"BBBBBB") + sealed[-4:]
        await connection.execute("alter table ledgerline.stored_events disable trigger append_only")
        await connection.execute(
            "update ledgerline.stored_events set state = $2 where notification_id = $1",
            two["position"],
            state.replace(sealed, changed),
        )
    finally:
        await connection.close()

    async with start() as gateway:
        made = await added(gateway, hook, **{"from": 1})
        await until(lambda: has(hook, 2))
        await until(lambda: shows(gateway, made, skipped=1, delivered=2))

    assert hook.texts() == ["one", "three"]


async def _tried(hook: Sink, times: int) -> bool:
    return len(hook.got) >= times
