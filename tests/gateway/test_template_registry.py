"""What the gateway knows of the account's templates, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from running import Running, Start, until

from gateway.sandbox import API_KEY, WABA

Json = dict[str, Any]


@pytest.fixture
def listed(start: Start) -> Callable[[], Any]:
    """A gateway that asks for the templates of its account."""
    return lambda **given: start(waba=WABA, **given)


async def templates(running: Running) -> dict[tuple[str, str], Json]:
    await running.settled()
    _, answer = await running.get("/api/templates")
    return {(one["name"], one["language"]): one for one in answer["templates"]}


async def sync(running: Running) -> tuple[int, Any]:
    return await running.post("/api/templates/sync", {})


async def test_every_page_of_the_list_is_known_soon_after_the_start(listed: Any) -> None:
    async with listed() as running:
        found = await until(lambda: templates(running))

        assert found.keys() == running.simulator.templates.keys()
        assert len(found) > 8
        appointment = found["appointment", "en_GB"]
        assert (appointment["status"], appointment["category"]) == ("APPROVED", "UTILITY")
        kinds = [one["type"] for one in appointment["components"]]
        assert kinds == ["HEADER", "BODY", "FOOTER", "BUTTONS"]
        assert found["order_shipped", "en_US"]["parameter_format"] == "NAMED"
        assert found["order_update", "en_GB"]["components"] is None
        assert found["order_shipped", "en_GB"]["preview"].startswith("<strong>{{first_name}}</strong>, your")


async def test_a_second_look_records_nothing_and_another_gateway_neither(listed: Any) -> None:
    async with listed() as running, listed() as other:
        await until(lambda: templates(running))
        await until(lambda: templates(other))
        await running.gateway.runner.catch_up()
        count = len(await running.events("TemplateChanged"))

        assert await sync(running) == (200, {"listed": len(running.simulator.templates), "changed": 0})
        assert await sync(other) == (200, {"listed": len(running.simulator.templates), "changed": 0})
        assert len(await running.events("TemplateChanged")) == count == len(running.simulator.templates)


async def test_components_are_nowhere_in_the_public_feed(listed: Any) -> None:
    async with listed() as running:
        await until(lambda: templates(running))
        events = await running.events("TemplateChanged")

        assert events
        assert all("item" in event["data"].pop("opened") for event in events)
        assert "we expect you" not in str([event["data"] for event in events])


async def test_what_callbacks_missed_is_found_by_looking(listed: Any) -> None:
    async with listed() as running:
        await until(lambda: templates(running))
        running.simulator.callbacks.url = "http://127.0.0.1:9/"
        running.simulator.change_template("appointment", "PAUSED", None)
        assert (await sync(running))[1]["changed"] == 2
        running.simulator.callbacks.url = f"{running.url}/webhooks/whatsapp"

        found = await templates(running)
        assert found["appointment", "en_GB"]["status"] == "PAUSED"
        assert found["appointment", "en_GB"]["components"] is not None


async def test_a_template_that_is_listed_no_more_is_deleted(listed: Any) -> None:
    async with listed() as running:
        await until(lambda: templates(running))
        del running.simulator.templates["winter_sale", "en_US"]
        assert (await sync(running))[1]["changed"] == 0, "a list may be older than the newest word"
        await running.advance(3600)
        assert (await sync(running))[1]["changed"] == 1

        assert (await templates(running))["winter_sale", "en_US"]["status"] == "DELETED"


async def test_a_callback_that_leaves_something_open_is_followed_by_a_look(listed: Any) -> None:
    async with listed() as running:
        await until(lambda: templates(running))
        old = running.simulator.templates["hello_world", "en_US"]
        body = {"type": "BODY", "text": "Good morning"}
        running.simulator.templates["hello_world", "en_US"] = type(old)(
            "hello_world", "en_US", "utility", old.number, components=(body,)
        )
        told = {
            "message_template_id": old.id,
            "message_template_name": "hello_world",
            "message_template_language": "en_US",
            "message_template_element": "Good morning",
        }
        changes = [{"field": "message_template_components_update", "value": told}]
        entry = {"id": WABA, "changes": changes}
        assert await running.callback({"object": "whatsapp_business_account", "entry": [entry]}) == 200

        async def followed() -> bool:
            return (await templates(running))["hello_world", "en_US"]["components"] == [body]

        await until(followed)


async def test_the_first_category_is_remembered(listed: Any) -> None:
    async with listed() as running:
        await until(lambda: templates(running))
        await running.post("/sandbox/templates/order_update", {"category": "MARKETING"})

        found = (await templates(running))["order_update", "en_GB"]
        assert (found["first_category"], found["category"]) == ("UTILITY", "MARKETING")


async def test_a_list_that_fails_changes_nothing_and_is_answered_502(listed: Any) -> None:
    async with listed() as running:
        before = await until(lambda: templates(running))
        running.simulator.access_token = "another"
        code, answer = await sync(running)

        assert (code, answer["type"]) == (502, "urn:ledgerline:upstream-failed")
        assert "HTTP 401" in answer["detail"]
        assert await templates(running) == before
        _, metrics = await running.get("/metrics")
        assert 'ledgerline_template_syncs_total{result="failed"} 1.0' in metrics


async def test_without_an_account_there_is_nothing_to_look_at(running: Running) -> None:
    status, answer = await sync(running)

    assert (status, answer["type"]) == (409, "urn:ledgerline:no-account")
    assert "LEDGERLINE_WABA" in answer["detail"]


async def test_only_an_admin_may_have_it_looked(start: Start) -> None:
    async with start(waba=WABA, api_keys=f"reader:{API_KEY}:send+read+content") as running:
        assert (await sync(running))[0] == 403
