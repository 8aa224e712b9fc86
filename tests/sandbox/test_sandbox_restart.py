from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.clock import SandboxClock

Restart = Callable[[], AbstractAsyncContextManager[Any]]


async def test_clock_window_and_messages_survive_a_restart(restart: Restart) -> None:
    async with restart() as sandbox:
        await sandbox.writes(profile={"name": "Ann"}, type="text", text={"body": "hi"})
        await sandbox.advance(3600)
        await sandbox.text("before")
        before = await sandbox.settled()
    async with restart() as sandbox:
        assert (await sandbox.get("/sandbox/clock"))[1] == {"now": "2026-11-23T10:00:00Z"}
        await sandbox.text("after")
        statuses = await sandbox.settled()
        _, listing = await sandbox.get("/sandbox/messages")
        await sandbox.post("/sandbox/customers/447700900123/reads", {})

    assert [s["status"] for s in statuses[len(before) :]] == ["sent", "delivered"]
    assert [row["body"]["text"]["body"] for row in listing["messages"]] == ["before", "after"]
    assert [s["status"] for s in sandbox.receiver.statuses][-2:] == ["read", "read"]
    assert sandbox.receiver.values[-1]["contacts"][0]["profile"] == {"name": "Ann"}


async def test_callbacks_not_acknowledged_before_a_restart_come_after_it(restart: Restart) -> None:
    async with restart() as sandbox:
        await sandbox.writes()
        sandbox.receiver.answers = [500] * 10_000
        await sandbox.text()
    sandbox.receiver.answers = []
    async with restart() as sandbox:
        statuses = await sandbox.settled()

    assert [s["status"] for s in statuses] == ["sent", "delivered"]
    assert len(sandbox.receiver.messages) == 1


async def test_a_line_cut_short_by_a_kill_costs_only_itself(restart: Restart, tmp_path: Path) -> None:
    async with restart() as sandbox:
        await sandbox.writes()
    assert (tmp_path / "sandbox.jsonl").stat().st_mode & 0o077 == 0
    with (tmp_path / "sandbox.jsonl").open("a") as journal:
        journal.write('{"Wrote": {"customer"')
    async with restart() as sandbox:
        await sandbox.text()
        assert [s["status"] for s in await sandbox.settled()] == ["sent", "delivered"]
    async with restart() as sandbox:
        assert len((await sandbox.get("/sandbox/messages"))[1]["messages"]) == 1


def test_the_clock_only_moves_forward(tmp_path: Path) -> None:
    clock = SandboxClock(tmp_path / "clock")
    before = clock.now()
    with pytest.raises(ValueError, match="negative"):
        clock.advance(-1)
    assert clock.advance(60) - before >= timedelta(seconds=60)
    assert SandboxClock(tmp_path / "clock").now() - before >= timedelta(seconds=60)
