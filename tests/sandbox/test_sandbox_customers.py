from __future__ import annotations

from typing import Any

import pytest

ANN = "447700900123"


async def test_a_customers_message_arrives_as_a_signed_webhook(sandbox: Any) -> None:
    message_id = await sandbox.writes(
        type="text", text={"body": "wo ist's? äß/€ 🙂"}, profile={"name": "Ann"}
    )

    assert sandbox.receiver.posts[0]["object"] == "whatsapp_business_account"
    [value] = sandbox.receiver.values
    [message] = value["messages"]
    assert value["metadata"] == {
        "display_phone_number": "15550783881",
        "phone_number_id": "106540352242922",
    }
    assert message["id"] == message_id
    assert message["timestamp"] == "1795424400"
    assert message["text"] == {"body": "wo ist's? äß/€ 🙂"}
    assert message["from"] == ANN
    assert value["contacts"] == [
        {"profile": {"name": "Ann"}, "wa_id": ANN, "user_id": message["from_user_id"]}
    ]
    assert message["from_user_id"].startswith("GB.")


async def test_a_customer_is_the_same_person_by_number_and_by_bsuid(sandbox: Any) -> None:
    await sandbox.writes()
    user_id = sandbox.receiver.messages[0]["from_user_id"]
    await sandbox.writes(user_id)
    await sandbox.writes(f"+{ANN}")

    assert {(m["from"], m["from_user_id"]) for m in sandbox.receiver.messages} == {(ANN, user_id)}


async def test_a_customer_without_a_known_number_has_no_from(sandbox: Any) -> None:
    await sandbox.writes("GB.7700900123456789012")

    [message] = sandbox.receiver.messages
    assert "from" not in message
    assert message["from_user_id"] == "GB.7700900123456789012"
    assert "wa_id" not in sandbox.receiver.values[0]["contacts"][0]


async def test_a_call_connects_and_terminates_under_one_id(sandbox: Any) -> None:
    path = f"/sandbox/customers/{ANN}/calls"
    _, connected = await sandbox.post(path, {"event": "connect"})
    _, ended = await sandbox.post(path, {"event": "terminate", "status": "COMPLETED"})
    _, again = await sandbox.post(path, {"event": "connect"})

    assert connected == ended != again
    calls = [call for value in sandbox.receiver.values for call in value["calls"]]
    assert [(c["event"], c["direction"], c["from"]) for c in calls] == [
        ("connect", "USER_INITIATED", ANN),
        ("terminate", "USER_INITIATED", ANN),
        ("connect", "USER_INITIATED", ANN),
    ]


async def test_reading_gives_one_read_status_without_a_price(sandbox: Any) -> None:
    await sandbox.writes()
    sent = [(await sandbox.text(biz_opaque_callback_data=f"n{n}"))[1]["messages"][0]["id"] for n in range(2)]
    await sandbox.settled()
    path = f"/sandbox/customers/{ANN}/reads"
    assert (await sandbox.post(path, {"message_id": sent[0]}))[1]["id"] == sent[0]
    assert (await sandbox.post(path, {}))[1]["ids"] == [sent[1]]
    assert (await sandbox.post(path, {}))[1] == {"id": None, "ids": []}
    assert (await sandbox.post(path, {"message_id": sent[0]}))[0] == 400

    reads = [s for s in await sandbox.settled() if s["status"] == "read"]
    assert [(s["id"], s["biz_opaque_callback_data"]) for s in reads] == [(sent[0], "n0"), (sent[1], "n1")]
    assert not any("pricing" in s for s in reads)


async def test_a_group_has_its_own_window_and_a_status_for_each_participant(sandbox: Any) -> None:
    group = {"to": "GRP_1", "recipient_type": "group"}
    for customer in (ANN, "15550100002"):
        await sandbox.writes(customer, type="text", text={"body": "hi all"}, group_id="GRP_1")
    _, answer = await sandbox.text(**group)
    assert answer["messages"][0]["group_id"] == "GRP_1"
    await sandbox.settled()
    await sandbox.text()

    *in_group, alone = await sandbox.settled()
    assert [m["group_id"] for m in sandbox.receiver.messages] == ["GRP_1", "GRP_1"]
    assert [(s["status"], s.get("recipient_participant_id")) for s in in_group] == [
        ("sent", None),
        ("delivered", ANN),
        ("delivered", "15550100002"),
    ]
    assert {(s["recipient_id"], s["recipient_type"], s["pricing"]["category"]) for s in in_group} == {
        ("GRP_1", "group", "group_service")
    }
    assert alone["status"] == "failed"


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("customers/ann/messages", {"type": "text"}, "customer"),
        (f"customers/{ANN}/messages", {"text": {"body": "hi"}}, "type"),
        (f"customers/{ANN}/messages", {"type": "text", "id": "wamid.x"}, "id"),
        (f"customers/{ANN}/messages", {"type": "text", "timestamp": "1"}, "timestamp"),
        (f"customers/{ANN}/messages", [], "JSON object"),
        (f"customers/{ANN}/calls", {"event": "wave"}, "event"),
        (f"customers/{ANN}/calls", {}, "event"),
        ("clock", {}, "advance_seconds"),
        ("clock", {"advance_seconds": -1}, "advance_seconds"),
        ("clock", {"advance_seconds": "60"}, "advance_seconds"),
        ("clock", {"advance_seconds": True}, "advance_seconds"),
        ("clock", {"advance_seconds": 1e300}, "advance_seconds"),
        ("faults", {"kind": "flood"}, "kind"),
        ("faults", {"kind": "delay", "times": 0}, "times"),
        ("faults", {"kind": "delay", "seconds": -1}, "seconds"),
        ("faults", {"kind": "error", "code": "131000"}, "code"),
    ],
)
async def test_a_control_that_cannot_be_followed_names_what_is_wrong(
    sandbox: Any, path: str, body: Any, named: str
) -> None:
    status, answer = await sandbox.post(f"/sandbox/{path}", body)

    assert status == 400
    assert named in answer["error"]
    assert sandbox.receiver.posts == []
