"""The log over HTTP: the feed from any position, and the history of one conversation."""

from __future__ import annotations

from typing import Any

import pytest
from running import ANN, LINE, Running, Start

from gateway import sandbox

BEN = "447700900456"
OTHER_LINE = "106000000000001"
FULL = f"sandbox:{sandbox.API_KEY}:send+read+content+admin"
HISTORY = f"/api/lines/{LINE}/conversations/{ANN}/events"


async def traffic(running: Running) -> None:
    """Two people write, one gets an answer."""
    await running.writes(ANN)
    await running.writes(BEN)
    assert (await running.text(ANN))[0] == 200
    await running.settled()


def inbound(line: str, number: int) -> dict[str, Any]:
    """A callback with one text."""
    message = {
        "from": ANN,
        "id": f"wamid.{number}",
        "timestamp": "1795305600",
        "type": "text",
        "text": {"body": "hi"},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100001", "phone_number_id": line},
        "messages": [message],
    }
    entry = {"id": "102000000000001", "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


async def pages(running: Running, path: str, limit: int) -> list[list[dict[str, Any]]]:
    """Follow `next` to the end."""
    found: list[list[dict[str, Any]]] = []
    after = 0
    while True:
        status, body = await running.get(path, after=after, limit=limit)
        assert status == 200, body
        if not body["events"]:
            return found
        assert after < body["next"]
        found.append(body["events"])
        after = body["next"]


async def test_an_event_is_shown_with_its_place_its_times_and_its_content(running: Running) -> None:
    wamid = await running.writes()
    status, body = await running.get("/api/events")
    [event] = body["events"]
    assert (status, body["next"], body["log"]) == (200, 1, str(running.gateway.log.log_id))
    shown = ("position", "topic", "event_version", "version")
    assert [event[name] for name in shown] == [1, "MessageReceived", 1, 1]
    assert event["recorded_at"].endswith("Z")
    assert event["at"].endswith("Z")
    assert "sealed" not in event["data"]
    opened = event["data"]["opened"]
    assert (opened["message_id"], opened["from"]) == (wamid, ANN)


async def test_without_content_no_event_is_opened(start: Start) -> None:
    async with start(api_keys=(FULL, "auditor:auditor-key:read")) as running:
        await running.writes()
        async with running.http.get(
            f"{running.url}/api/events", headers={"Authorization": "Bearer auditor-key"}
        ) as answer:
            text = await answer.text()
            [event] = (await answer.json())["events"]
        assert not {"opened", "erased", "sealed"} & event["data"].keys()
        assert ANN not in text


async def test_the_feed_goes_page_by_page_through_the_whole_log(running: Running) -> None:
    await traffic(running)
    whole = await running.events()
    assert [event["position"] for event in whole] == list(range(1, len(whole) + 1))
    assert {event["topic"] for event in whole} == {
        "MessageReceived",
        "SendRequested",
        "SendDispatched",
        "SendAccepted",
        "StatusReceived",
    }
    paged = await pages(running, "/api/events", 2)
    assert [len(page) for page in paged[:-1]] == [2] * (len(paged) - 1)
    assert [event for page in paged for event in page] == whole


async def test_the_feed_shows_chosen_topics_and_its_cursor_still_advances(running: Running) -> None:
    await traffic(running)
    whole = await running.events()
    wanted = [event for event in whole if event["topic"] in ("SendAccepted", "SendRequested")]
    status, body = await running.get("/api/events?topic=SendAccepted&topic=SendRequested")
    assert (status, body["events"]) == (200, wanted)
    assert body["next"] == len(whole)
    paged = await pages(running, "/api/events?topic=SendAccepted&topic=SendRequested", 1)
    assert [event for page in paged for event in page] == wanted
    status, body = await running.get("/api/events", topic="ConsentChanged")
    assert (status, body["events"], body["next"]) == (200, [], len(whole))


async def test_the_feed_shows_chosen_lines_and_a_bound_key_only_its_own(start: Start) -> None:
    keys = (FULL, f"bound:bound-key:read@{OTHER_LINE}")
    async with start(api_keys=keys, lines=(LINE, OTHER_LINE)) as running:
        for number, line in enumerate((LINE, OTHER_LINE, LINE, OTHER_LINE)):
            assert await running.callback(inbound(line, number)) == 200
        _, body = await running.get("/api/events", line=LINE)
        assert [event["position"] for event in body["events"]] == [1, 3]
        _, body = await running.get(f"/api/events?line={LINE}&line={OTHER_LINE}")
        assert [event["position"] for event in body["events"]] == [1, 2, 3, 4]

        running.http.headers["Authorization"] = "Bearer bound-key"
        _, body = await running.get("/api/events")
        assert [event["position"] for event in body["events"]] == [2, 4]
        for path in (f"/api/events?line={LINE}", HISTORY):
            status, body = await running.get(path)
            assert (status, body["type"]) == (403, "urn:ledgerline:forbidden")
            assert body["detail"] == f"The API key 'bound' is not bound to line {LINE}."
        status, body = await running.get(HISTORY.replace(LINE, OTHER_LINE))
        assert [event["position"] for event in body["events"]] == [2, 4]


async def test_a_conversation_has_its_own_history_page_by_page(running: Running) -> None:
    await traffic(running)
    whole = await running.events()
    mine = [event for event in whole if event["stream"] == whole[0]["stream"]]
    assert [event["topic"] for event in mine][:4] == [
        "MessageReceived",
        "SendRequested",
        "SendDispatched",
        "SendAccepted",
    ]
    status, body = await running.get(HISTORY)
    assert (status, body["events"], body["next"]) == (200, mine, mine[-1]["position"])
    paged = await pages(running, HISTORY, 2)
    assert [len(page) for page in paged[:-1]] == [2] * (len(paged) - 1)
    assert [event for page in paged for event in page] == mine
    status, body = await running.get(HISTORY, after=10_000)
    assert (status, body["events"], body["next"]) == (200, [], 10_000)


async def test_the_history_of_a_conversation_never_seen_is_not_found(running: Running) -> None:
    status, body = await running.get(HISTORY)
    assert (status, body["type"]) == (404, "urn:ledgerline:not-found")


@pytest.mark.parametrize("path", ["/api/events", HISTORY, "/api/messages"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("after", "-1"),
        ("after", "x"),
        ("after", ""),
        ("after", "9223372036854775808"),
        ("after", "٣"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "1.5"),
    ],
)
async def test_a_wrong_cursor_or_limit_is_refused_by_name(
    running: Running, path: str, name: str, value: str
) -> None:
    await running.writes()
    status, body = await running.get(path, **{name: value})
    assert (status, body["type"]) == (400, "urn:ledgerline:bad-parameter")
    assert body["parameter"] == name
    assert body["detail"].startswith(f"{name}={value!r} is not a whole number from ")


async def test_an_unknown_topic_is_refused_by_name(running: Running) -> None:
    status, body = await running.get("/api/events?topic=MessageReceived&topic=MessageSent")
    assert (status, body["type"], body["parameter"]) == (400, "urn:ledgerline:bad-parameter", "topic")
    assert body["detail"].startswith("topic='MessageSent' is not the name of an event: MessageReceived, ")
