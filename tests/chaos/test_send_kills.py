"""A gateway dies between every two steps of a send, a repetition and a callback; another one lives on."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from audit import Known, audit
from processes import SEND, Answer, House, Process, house
from running import ANN, LINE, MASTER_KEY, until
from wires import signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}


@dataclass(frozen=True)
class Step:
    """Where the gateway dies, and what WhatsApp has then."""

    at: str = "never"
    loses: str | None = None
    """`send` or `answer`: it dies while that is under way."""
    is_accepted: bool = False


SENDS = {
    "before it is recorded": Step("before SendRequested"),
    "between the record and the POST": Step("after SendRequested"),
    "before WhatsApp has it": Step(loses="send"),
    "before WhatsApp has answered": Step(loses="answer", is_accepted=True),
    "before the outcome is recorded": Step("before SendAccepted", is_accepted=True),
    "before the caller is answered": Step("after SendAccepted", is_accepted=True),
}
RESENDS = {
    "before it is recorded": Step("before SendDispatched"),
    "between the record and the POST": Step("after SendDispatched"),
    "before WhatsApp has it": Step(loses="send"),
    "before WhatsApp has answered": Step(loses="answer", is_accepted=True),
    "before the outcome is recorded": Step("before SendAccepted", is_accepted=True),
    "before the operator is answered": Step("after SendAccepted", is_accepted=True),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(module_database: str) -> AsyncIterator[House]:
    async with house(module_database) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def survivor(home: House) -> AsyncIterator[Process]:
    async with home.gateway() as gateway:
        home.simulator.callbacks.url = f"{gateway.url}/webhooks/whatsapp"
        yield gateway


@asynccontextmanager
async def dying(home: House, step: Step) -> AsyncIterator[Process]:
    """A gateway that will be killed at that step, and has been at the end."""
    async with home.gateway(step.at) as doomed:
        home.network.loses = step.loses
        home.network.kills = doomed if step.loses else None
        yield doomed
        await doomed.died()


async def told(gateway: Process, key: str) -> Answer:
    """What a caller hears in the end, who asks for the same again and again."""

    async def once() -> Answer | None:
        answer = await gateway.ask(SEND, TEMPLATE, key=key)
        return answer if answer and answer.status not in (409, 503) else None

    return await until(once)


async def told_of_acceptance(gateway: Process, key: str) -> Answer:
    """The same, once a status has told what became of it."""

    async def once() -> Answer | None:
        answer = await told(gateway, key)
        return answer if answer.outcome == "accepted" else None

    return await until(once)


def accepted(home: House, send_id: str) -> int:
    """How often WhatsApp accepted it."""
    known = Known()
    known.learn(home.simulator)
    return [one for one, _, _ in known.accepted].count(send_id)


@pytest.mark.parametrize("name", SENDS)
async def test_a_send_survives(home: House, survivor: Process, name: str) -> None:
    step, key = SENDS[name], str(uuid4())
    async with dying(home, step) as doomed:
        assert await doomed.ask(SEND, TEMPLATE, key=key) is None
    answer = await told(survivor, key)
    if step.is_accepted:
        answer = await told_of_acceptance(survivor, key)
    elif step.at != "before SendRequested":
        assert answer.outcome == "unknown"
        assert accepted(home, answer.send_id) == 0
        resent = await survivor.ask(f"/api/messages/{answer.send_id}/settle", {"as": "resend"})
        assert resent is not None
        assert resent.body["state"] == "accepted"
        answer = await told(survivor, key)
    assert (answer.status, answer.outcome) == (200, "accepted")
    assert answer.body["messages"][0]["id"] in home.simulator.accepted
    assert accepted(home, answer.send_id) == 1


@pytest.mark.parametrize("name", RESENDS)
async def test_a_repetition_survives(home: House, survivor: Process, name: str) -> None:
    step, key = RESENDS[name], str(uuid4())
    home.network.loses, home.network.kills = "send", None
    send_id = (await told(survivor, key)).send_id
    assert (await told(survivor, key)).outcome == "unknown"
    order = (f"/api/messages/{send_id}/settle", {"as": "resend"})
    async with dying(home, step) as doomed:
        assert await doomed.ask(*order) is None
    if not step.is_accepted:
        assert accepted(home, send_id) == 0

        async def ordered() -> Any:
            answer = await survivor.ask(*order)
            return answer and answer.status == 200 and answer.body["state"] == "accepted"

        await until(ordered)
    answer = await told_of_acceptance(survivor, key)
    assert answer.body["messages"][0]["id"] in home.simulator.accepted
    refused = await survivor.ask(*order)
    assert refused is not None
    assert refused.status == 409
    assert accepted(home, send_id) == 1


@pytest.mark.parametrize("at", ["before MessageReceived", "after MessageReceived"])
async def test_a_callback_survives(home: House, survivor: Process, at: str) -> None:
    async with dying(home, Step(at)) as doomed:
        home.simulator.callbacks.url = f"{doomed.url}/webhooks/whatsapp"
        _, update = home.simulator.write(ANN, {"type": "text", "text": {"body": "Where is it?"}})
    assert not update.acknowledged.is_set()
    home.simulator.callbacks.url = f"{survivor.url}/webhooks/whatsapp"
    async with asyncio.timeout(20):
        await update.acknowledged.wait()


async def test_the_same_batch_at_once_on_two_processes_is_recorded_once(
    home: House, survivor: Process
) -> None:
    batches = [orjson.dumps(callback(number, number + 1)) for number in range(20)]
    async with home.gateway() as other:
        posts = [
            home.http.post(
                f"{gateway.url}/webhooks/whatsapp", data=batch, headers={"X-Hub-Signature-256": signed(batch)}
            )
            for batch in batches
            for gateway in (survivor, other)
        ]
        assert [answer.status for answer in await asyncio.gather(*posts)] == [200] * 40
    page = await survivor.ask("/api/events?topic=MessageReceived&limit=1000")
    assert page is not None
    ids = [event["data"]["opened"]["message_id"] for event in page.body["events"]]
    assert sorted(one for one in ids if one.startswith("wamid.twice")) == sorted(
        f"wamid.twice.{number}" for number in range(21)
    )


def callback(*numbers: int) -> dict[str, Any]:
    """One message for each number."""
    kind = {"from": ANN, "timestamp": "1795305600", "type": "text", "text": {"body": "Hello."}}
    messages = [{"id": f"wamid.twice.{number}"} | kind for number in numbers]
    metadata = {"display_phone_number": "15550783881", "phone_number_id": LINE}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": messages}
    entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


async def test_the_log_is_sound_after_all_of_these(home: House) -> None:
    await home.simulator.callbacks.settled()
    known, said = Known(), []
    known.learn(home.simulator)
    key = base64.b64decode(MASTER_KEY)
    wrong = await audit(home.database, key, known, patience=timedelta(), say=said.append)
    assert wrong == 0, "\n".join(said)
    one = known.accepted[0]
    for invented in (
        Known(accepted=[one, one]),
        Known(accepted=[(one[0], one[1] + 9, one[2])]),
        Known(told={one[0]: "wamid.other"}),
        Known(messages=["wamid.other"]),
        Known(statuses=[(one[2], "played")]),
    ):
        assert await audit(home.database, key, invented, patience=timedelta(), say=said.append), invented
