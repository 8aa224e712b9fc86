"""One conversation of each client with a gateway of its own; every test judges a part of it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from conformance.client import Client, World
from conformance.judged import Conversation
from conformance.receiving import hear
from running import ANN, LINE, Running, running, start, started

from gateway.sandbox import API_KEY, WABA

__all__ = ["running", "start"]

BOB = "447700900456"
Databases = Callable[[], AbstractAsyncContextManager[str]]


PARTS = ("offer", "closed", "refusal", "receive")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    client = getattr(metafunc.module, "CLIENT", None)
    if client is not None:
        for part in PARTS:
            if part in metafunc.fixturenames:
                metafunc.parametrize(part, [name for of, name in client.cells() if of == part])


@pytest.fixture(autouse=True)
def cell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Tells the matrix which of its cells a test is about."""
    client, spec = getattr(request.module, "CLIENT", None), getattr(request.node, "callspec", None)
    if client is not None and spec is not None:
        [(part, name)] = spec.params.items()
        record_property(
            "conformance",
            [client.name, client.version, client.natively, client.note, client.cells(), part, name],
        )


@pytest.fixture(scope="module")
def conversation(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Conversation:
    """The module's CLIENT with a gateway, from the first request to the last."""
    directory = tmp_path_factory.mktemp("conversation")
    return asyncio.run(converse(request.module.CLIENT, databases, directory))


async def converse(client: Client, databases: Databases, directory: Path) -> Conversation:
    """Let the client do all it can, and look at what came of it."""
    async with databases() as database, started(database, directory, waba=WABA) as running:
        message = await running.writes()
        world = World(running.url, API_KEY, LINE, WABA, ANN, BOB, message)
        reports = await asyncio.to_thread(client.reports, world)
        events = await everything(running)
        heard = await hear(running, client.listening, client.receives) if client.listening else None
        return Conversation(
            client=client,
            url=running.url,
            reports={report["case"]: report for report in reports},
            accepted={one.message_id: one.body for one in running.simulator.accepted.values()},
            sends=_sends(events),
            refused=tuple(
                event["data"]["decision"]["reason"] for event in events if event["topic"] == "SendRefused"
            ),
            notices=_notices(events),
            heard=heard,
        )


async def everything(running: Running) -> list[dict[str, Any]]:
    """The whole log."""
    events: list[dict[str, Any]] = []
    while True:
        after = events[-1]["position"] if events else 0
        _, page = await running.get("/api/events", after=after, limit=1000)
        if not page["events"]:
            return events
        events += page["events"]


def _sends(events: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    topics, ids = defaultdict(list), {}
    for event in events:
        data = event["data"]
        if event["topic"].startswith("Send") and event["topic"] != "SendRefused":
            topics[data["send_id"]].append(event["topic"])
            if event["topic"] == "SendAccepted":
                ids[data["opened"]["message_id"]] = data["send_id"]
    return {message_id: tuple(topics[send_id]) for message_id, send_id in ids.items()}


def _notices(events: list[dict[str, Any]]) -> int:
    notices = [event["data"] for event in events if event["topic"] == "AccountNoticeReceived"]
    return sum(1 for notice in notices if notice.get("http_status") == 200)
