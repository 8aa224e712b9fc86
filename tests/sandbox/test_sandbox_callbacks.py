from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import pytest

from gateway.sandbox import LINE


async def test_a_callback_is_repeated_until_it_is_answered_with_200(sandbox: Any) -> None:
    sandbox.receiver.answers = [503, 201, 401]
    message_id = await sandbox.writes()

    assert [message["id"] for message in sandbox.receiver.messages] == [message_id]
    assert sandbox.receiver.refused == 3


async def test_message_history_tells_statuses_by_the_message_id_alone(sandbox: Any) -> None:
    await sandbox.writes()
    sandbox.receiver.answers = [500] * 2
    _, answer = await sandbox.text()
    message_id = answer["messages"][0]["id"]

    path = f"/v26.0/{LINE}/message_history"
    before = (await sandbox.get(path, params={"message_id": message_id}))[1]["data"][0]
    await sandbox.settled()
    after = (await sandbox.get(path, params={"message_id": message_id}))[1]["data"][0]
    assert before["message_id"] == message_id
    assert [e["delivery_status"] for e in before["events"]["data"]] == ["SENT", "DELIVERED"]
    assert {e["webhook_update_state"] for e in after["events"]["data"]} == {"DELIVERED"}
    assert (await sandbox.get(path, params={"message_id": "wamid.x"}))[1]["data"] == []


async def test_a_delayed_answer_does_not_delay_the_statuses(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.trouble("delay", seconds=300)
    send = asyncio.create_task(sandbox.text())
    while len(sandbox.receiver.statuses) < 2:
        await asyncio.wait({send}, timeout=0.01)

    assert not send.done()
    send.cancel()
    assert len((await sandbox.get("/sandbox/messages"))[1]["messages"]) == 1


async def test_a_send_can_be_accepted_and_its_connection_dropped(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.trouble("drop_after_accept")
    with pytest.raises(aiohttp.ClientError):
        await sandbox.text(biz_opaque_callback_data="ours")

    statuses = await sandbox.settled()
    assert [(s["status"], s["biz_opaque_callback_data"]) for s in statuses] == [
        ("sent", "ours"),
        ("delivered", "ours"),
    ]


async def test_an_error_is_answered_as_often_as_asked_and_nothing_is_accepted(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.trouble("error", code=130429, http_status=429, times=2)
    answers = [await sandbox.text() for _ in range(3)]

    assert [(status, answer.get("error", {}).get("code")) for status, answer in answers] == [
        (429, 130429),
        (429, 130429),
        (200, None),
    ]
    assert len((await sandbox.get("/sandbox/messages"))[1]["messages"]) == 1


async def test_131047_can_be_answered_at_once_but_never_to_a_template(sandbox: Any) -> None:
    await sandbox.trouble("sync_131047")
    assert (await sandbox.template("hello_world"))[0] == 200
    status, answer = await sandbox.text()

    assert (status, answer["error"]["code"]) == (400, 131047)
    assert len((await sandbox.get("/sandbox/messages"))[1]["messages"]) == 1


async def test_callbacks_can_come_twice(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.trouble("duplicate", times=2)
    await sandbox.text()

    assert Counter(s["status"] for s in await sandbox.settled()) == {"sent": 2, "delivered": 2}


async def test_callbacks_of_a_message_can_come_in_another_order(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.trouble("reorder")
    await sandbox.text()

    assert [s["status"] for s in await sandbox.settled()] == ["delivered", "sent"]


async def test_several_callbacks_can_come_in_one_post(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.trouble("batch", times=4)
    await sandbox.text()
    await sandbox.text()
    await sandbox.settled()

    assert [len(post["entry"][0]["changes"]) for post in sandbox.receiver.posts] == [1, 4]


async def test_a_batch_that_does_not_fill_is_posted_after_its_seconds(sandbox: Any) -> None:
    await sandbox.trouble("batch", times=1000, seconds=0)
    await sandbox.writes()
    await sandbox.writes()

    assert len(sandbox.receiver.messages) == 2


async def test_a_status_fails_with_the_code_asked_for_even_after_a_restart(restart: Any) -> None:
    async with restart() as sandbox:
        sandbox.receiver.answers = [500] * 10_000
        await sandbox.trouble("fail_status", code=131026)
        status, _ = await sandbox.template("hello_world")
        assert status == 200
    sandbox.receiver.answers = []
    async with restart() as sandbox:
        [failed] = await sandbox.settled()
        await sandbox.template("hello_world")
        assert [one["status"] for one in await sandbox.settled()] == ["failed", "sent", "delivered"]

    assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131026)


async def test_code_zero_is_a_code(sandbox: Any) -> None:
    await sandbox.trouble("error", code=0, http_status=401)
    status, answer = await sandbox.template("hello_world")
    assert (status, answer["error"]["code"]) == (401, 0)


async def test_faults_can_be_listed_and_called_off(sandbox: Any) -> None:
    await sandbox.trouble("delay", times=3, seconds=9)
    _, listing = await sandbox.get("/sandbox/faults")
    assert [(fault["kind"], fault["times"], fault["seconds"]) for fault in listing["faults"]] == [
        ("delay", 3, 9)
    ]
    async with sandbox.http.delete(sandbox.simulator.graph_url + "/sandbox/faults") as answer:
        assert await answer.json() == {"faults": []}


async def test_idle_answers_when_every_callback_is_acknowledged(sandbox: Any) -> None:
    await sandbox.writes()
    sandbox.receiver.answers = [500]
    await sandbox.text()
    assert await sandbox.get("/sandbox/idle") == (200, {"idle": True})

    assert [s["status"] for s in sandbox.receiver.statuses] == ["sent", "delivered"]


async def test_whatever_goes_wrong_every_status_arrives_at_least_once(sandbox: Any) -> None:
    await sandbox.writes()
    await sandbox.trouble("reorder", times=5)
    await sandbox.trouble("duplicate", times=9)
    await sandbox.trouble("batch", times=7, seconds=0)
    sandbox.receiver.answers = [500, 404, 302, 503] * 5
    sent = await asyncio.gather(*(sandbox.text(f"{n}") for n in range(20)))

    expected = {(answer["messages"][0]["id"], word) for _, answer in sent for word in ("sent", "delivered")}
    statuses = await sandbox.settled()
    assert {(s["id"], s["status"]) for s in statuses} == expected
    assert len(statuses) > len(expected)
