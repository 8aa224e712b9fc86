"""Unmodified pywa_async, as its recipe points it: an httpx.AsyncClient whose base URL is the gateway."""

from __future__ import annotations

import httpx
import pytest
from pywa_async import WhatsApp
from pywa_async.errors import ReEngagementMessage
from running import ANN, LINE, Running

from gateway.sandbox import API_KEY


async def test_pywa_async_sends_inside_the_window_and_raises_outside(running: Running) -> None:
    async with httpx.AsyncClient() as session:
        wa = WhatsApp(phone_id=LINE, token=API_KEY, session=session)
        session.base_url = f"{running.url}/v26.0"
        with pytest.raises(ReEngagementMessage) as raised:
            await wa.send_message(ANN, "On its way.")
        await running.writes()
        sent = await wa.send_message(ANN, "On its way.")

    assert raised.value.code == 131047
    assert [message["message_id"] for message in await running.accepted()] == [sent.id]
