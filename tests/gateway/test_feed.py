"""The feed as server-sent events, read by a published client and over bare sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse
from running import ANN, LINE, Running, Start, until

from gateway import sandbox
from gateway.api import stream

OTHER_LINE = "106000000000001"
FULL = f"sandbox:{sandbox.API_KEY}:send+read+content+admin"
READ = "auditor:auditor-key:read"
SSE = {"Accept": "text/event-stream"}


@asynccontextmanager
async def reading(
    running: Running, query: str = "", *, key: str = sandbox.API_KEY, **headers: str
) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
    """The feed in a published client."""
    given = {"Authorization": f"Bearer {key}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with (
        httpx.AsyncClient(timeout=60, headers=given, trust_env=False) as http,
        aconnect_sse(http, "GET", f"{running.url}/api/events{query}") as source,
    ):
        source.response.raise_for_status()
        yield source.aiter_sse()


async def take(events: AsyncIterator[ServerSentEvent], amount: int) -> list[ServerSentEvent]:
    """The next events."""
    return [await anext(events) for _ in range(amount)]


def inbound(line: str, *numbers: int, text: str = "hi") -> dict[str, Any]:
    """A callback with texts."""
    messages = [
        {
            "from": ANN,
            "id": f"wamid.{number}",
            "timestamp": "1795305600",
            "type": "text",
            "text": {"body": text},
        }
        for number in numbers
    ]
    metadata = {"display_phone_number": "15550100001", "phone_number_id": line}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": messages}
    entry = {"id": "102000000000001", "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


async def test_the_stream_tells_what_was_and_what_comes_as_the_pages_do(running: Running) -> None:
    await running.writes()
    async with reading(running) as events:
        first = await anext(events)
        assert (await running.text())[0] == 200
        more = await take(events, 3)
    whole = await running.events()
    told = [first, *more]
    assert [json.loads(event.data) for event in told] == whole[:4]
    assert [event.id for event in told] == ["1", "2", "3", "4"]
    assert [event.event for event in told] == [event["topic"] for event in whole[:4]]
    assert "opened" in whole[0]["data"]


async def test_the_stream_says_what_it_is(running: Running) -> None:
    _, body = await running.get("/api/events")
    async with running.http.get(f"{running.url}/api/events", headers=SSE) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert answer.headers["Ledgerline-Log"] == body["log"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert await answer.content.readline() == b":\n"


async def test_last_event_id_beats_after(running: Running) -> None:
    assert await running.callback(inbound(LINE, 1, 2, 3)) == 200
    async with reading(running, "?after=2") as events:
        assert (await anext(events)).id == "3"
    async with reading(running, "?after=2", Last_Event_ID="1") as events:
        assert [event.id for event in await take(events, 2)] == ["2", "3"]


@pytest.mark.parametrize("value", ["-1", "x", "", "1.5", "9223372036854775808"])
async def test_a_wrong_last_event_id_is_refused_by_name(running: Running, value: str) -> None:
    headers = SSE | {"Last-Event-ID": value}
    async with running.http.get(f"{running.url}/api/events", headers=headers) as answer:
        body = orjson.loads(await answer.read())
    assert (answer.status, body["type"]) == (400, "urn:ledgerline:bad-parameter")
    assert body["parameter"] == "Last-Event-ID"


async def test_the_stream_filters_as_the_pages_do(start: Start) -> None:
    keys = (FULL, f"bound:bound-key:read@{OTHER_LINE}")
    async with start(api_keys=keys, lines=(LINE, OTHER_LINE)) as running:
        for number, line in enumerate((LINE, OTHER_LINE, LINE, OTHER_LINE)):
            assert await running.callback(inbound(line, number)) == 200
        assert (await running.text())[0] == 400
        async with reading(running, "?topic=SendRefused") as events:
            assert (await anext(events)).event == "SendRefused"
        async with reading(running, f"?line={LINE}") as events:
            assert [event.id for event in await take(events, 3)] == ["1", "3", "5"]
        async with reading(running, key="bound-key") as events:
            told = await take(events, 2)
        assert [event.id for event in told] == ["2", "4"]
        assert not [event for event in told if "opened" in event.data or ANN in event.data]
        for query, status in ((f"?line={LINE}", 403), ("?topic=Nothing", 400)):
            headers = SSE | {"Authorization": "Bearer bound-key"}
            async with running.http.get(f"{running.url}/api/events{query}", headers=headers) as answer:
                assert answer.status == status


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html, application/json;q=0.9"])
async def test_without_being_asked_for_there_is_no_stream(running: Running, accept: str) -> None:
    async with running.http.get(f"{running.url}/api/events", headers={"Accept": accept}) as answer:
        assert answer.content_type == "application/json"


async def test_a_quiet_stream_is_kept_alive_by_comments(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BEAT", 0.05)
    async with running.http.get(f"{running.url}/api/events", headers=SSE) as answer:
        assert [await answer.content.readline() for _ in range(4)] == [b":\n"] * 4


async def test_a_reader_that_leaves_is_forgotten(running: Running) -> None:
    await running.writes()
    async with reading(running) as events:
        await anext(events)
        assert len(running.gateway.streams) == 1

    async def nobody() -> bool:
        return not running.gateway.streams

    await until(nobody)


async def test_more_streams_than_there_is_room_for_are_sent_away(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_STREAMS", 1)
    await running.writes()
    async with reading(running) as events:
        await anext(events)
        async with running.http.get(f"{running.url}/api/events", headers=SSE) as answer:
            body = orjson.loads(await answer.read())
            assert (answer.status, body["type"]) == (503, "urn:ledgerline:too-many-streams")
            assert answer.headers["Retry-After"] == "30"


class Sleeper:
    """A reader that asks and, until it is told to, reads nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def ask(cls, running: Running) -> Sleeper:
        host, port = urlsplit(running.url).hostname, urlsplit(running.url).port
        reader, writer = await asyncio.open_connection(host, port, limit=1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        lines = ("GET /api/events HTTP/1.1", "Host: test", f"Authorization: Bearer {sandbox.API_KEY}")
        writer.write("\r\n".join([*lines, "Accept: text/event-stream", "", ""]).encode())
        return cls(reader, writer)

    async def ids(self, last: int) -> list[int]:
        """Wake up: the ids of all events up to `last`."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]
        found, rest = [0], b""
        while found[-1] < last:
            block = await self._reader.read(2**16)
            assert block
            *lines, rest = (rest + block).split(b"\n")
            found += [int(line[4:]) for line in lines if line.startswith(b"id: ")]
        return found[1:]

    async def is_cut_off(self) -> bool:
        """Wake up: whether the answer stops in the middle."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]
        end = b""
        try:
            while block := await self._reader.read(2**16):
                end = (end + block)[-5:]
        except ConnectionError:
            return True
        return end != b"0\r\n\r\n"

    def leave(self) -> None:
        self._writer.transport.abort()


LONG = "x" * 50_000
"""Some hundred of these fill every buffer between two ends of a connection."""


async def fill(running: Running, callbacks: int) -> None:
    """Take in callbacks of ten long messages."""
    for number in range(callbacks):
        ids = range(number * 10, number * 10 + 10)
        assert await running.callback(inbound(LINE, *ids, text=LONG)) == 200


async def test_fifty_readers_that_sleep_hold_up_nobody_and_miss_nothing(running: Running) -> None:
    sleepers = [await Sleeper.ask(running) for _ in range(50)]

    async def open_streams() -> bool:
        return len(running.gateway.streams) == 50

    await until(open_streams)
    await fill(running, 20)
    await running.writes()
    assert (await running.text())[0] == 200
    await running.settled()
    head = await running.gateway.log.head()
    assert head > 200
    assert len(running.gateway.streams) == 50
    for told in await asyncio.gather(*(sleeper.ids(head) for sleeper in sleepers)):
        assert told == list(range(1, head + 1))
    for sleeper in sleepers:
        sleeper.leave()


async def test_a_reader_that_takes_nothing_for_long_is_cut_off(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STUCK", 0.2)
    sleeper = await Sleeper.ask(running)
    await fill(running, 40)

    async def nobody() -> bool:
        return not running.gateway.streams

    await until(nobody)
    assert await sleeper.is_cut_off()
    sleeper.leave()


async def test_a_shutdown_ends_every_stream_in_order(start: Start) -> None:
    async def end_of_stream() -> ServerSentEvent | None:
        async with reading(running, "?after=100000") as events:
            return await anext(events, None)

    async with start() as running:
        waiting = asyncio.create_task(end_of_stream())

        async def is_open() -> bool:
            return len(running.gateway.streams) == 1

        await until(is_open)
    assert await waiting is None


async def test_a_shutdown_does_not_wait_for_a_reader_that_sleeps(start: Start) -> None:
    async with start() as running:
        sleeper = await Sleeper.ask(running)
        await fill(running, 40)
    assert await sleeper.is_cut_off()
    sleeper.leave()
