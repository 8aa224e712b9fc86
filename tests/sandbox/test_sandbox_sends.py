from __future__ import annotations

from typing import Any


async def test_a_reply_inside_the_window_is_sent_and_delivered(sandbox: Any) -> None:
    await sandbox.writes()
    status, answer = await sandbox.text("on its way", biz_opaque_callback_data="ours")
    assert status == 200
    assert answer["contacts"] == [{"input": "+447700900123", "wa_id": "447700900123"}]
    message_id = answer["messages"][0]["id"]
    statuses = await sandbox.settled()
    assert [(s["id"], s["status"], s["biz_opaque_callback_data"]) for s in statuses] == [
        (message_id, "sent", "ours"),
        (message_id, "delivered", "ours"),
    ]
