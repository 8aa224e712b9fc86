"""Paths as Graph takes them besides the documented ones: without a version, with a slash at the end."""

from __future__ import annotations

import pytest
from running import ANN, LINE, Running, Start

from gateway.sandbox import WABA

TEXT = {"messaging_product": "whatsapp", "to": ANN, "type": "text", "text": {"body": "On its way."}}


@pytest.mark.parametrize("path", [f"/{LINE}/messages", f"/{LINE}/messages/", f"/v15.0/{LINE}/messages/"])
async def test_a_send_is_a_send_by_any_path_that_graph_takes(running: Running, path: str) -> None:
    status, answer = await running.post(path, TEXT)
    assert (status, answer["error"]["code"]) == (400, 131047)

    await running.writes()
    status, answer = await running.post(path, TEXT)
    assert status == 200
    assert [one["message_id"] for one in await running.accepted()] == [answer["messages"][0]["id"]]


async def test_other_paths_are_passed_on_without_a_version(start: Start) -> None:
    async with start(waba=WABA) as running:
        for path in (
            f"/{LINE}",
            f"/{LINE}/",
            f"/{WABA}/message_templates",
            f"/{LINE}/whatsapp_business_profile",
        ):
            assert (await running.get(path))[0] == 200, path
        status, answer = await running.get(f"/{LINE}/subscribed_apps")
        assert (status, answer["error"]["code"]) == (403, 10)
        assert answer["error"]["error_data"]["details"].startswith(
            f"GET /{LINE}/subscribed_apps is not among"
        )


async def test_a_key_is_needed_without_a_version_too(running: Running) -> None:
    async with running.http.post(
        f"{running.url}/{LINE}/messages", json=TEXT, headers={"Authorization": "Bearer wrong"}
    ) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, 190)
