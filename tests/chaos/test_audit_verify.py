"""The audit of a log finds nothing in a sound one, and whatever somebody did to it behind our back."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from running import ANN, Running, Start

from gateway.app import Databases
from gateway.audit import AuditError, verify_log
from gateway.sends import settler

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}

FORGE = """
insert into ledgerline.stored_events
select originator_id, (select max(originator_version) + 1 from ledgerline.stored_events o
                       where o.originator_id = s.originator_id),
  topic, convert_to(replace(convert_from(state, 'UTF8'), key::text, '{key}'), 'UTF8'),
  (select max(notification_id) + 1 from ledgerline.stored_events)
from ledgerline.stored_events s join ledgerline.event_keys using (notification_id)
where topic = '{topic}' order by notification_id desc limit 1;
insert into ledgerline.event_keys values
  ('{key}', (select max(notification_id) from ledgerline.stored_events), 0)
"""
"""The last event of a topic once more, in its place and with a key: only what it says is wrong."""


def forged(topic: str) -> str:
    return FORGE.format(topic=topic, key=uuid4())


SWAP = """
update ledgerline.event_keys set notification_id = 2 * n + 1 - notification_id
from (select min(notification_id) n from ledgerline.stored_events where topic = 'SendRequested') first
where notification_id in (n, n + 1);
update ledgerline.stored_events set notification_id = notification_id - 2 * n - 1
from (select min(notification_id) n from ledgerline.stored_events where topic = 'SendRequested') first
where notification_id in (n, n + 1);
update ledgerline.stored_events set notification_id = -notification_id where notification_id < 0
"""
"""A request and its dispatch change places, and so do their keys."""

DAMAGES = {
    "delete from ledgerline.stored_events where notification_id = 4": {"positions", "versions", "keys"},
    "delete from ledgerline.stored_events where notification_id = "
    "(select max(notification_id) from ledgerline.stored_events)": {"keys"},
    "delete from ledgerline.event_keys where notification_id = 3": {"keys"},
    "update ledgerline.event_keys set notification_id = 2 where notification_id = 3": {"keys"},
    "insert into ledgerline.event_keys values (gen_random_uuid(), 3, 0)": {"keys"},
    "update ledgerline.stored_events set originator_version = originator_version + 900 "
    "where notification_id = 4": {"versions"},
    SWAP: {"versions", "sends"},
    "update ledgerline.stored_events set state = 'x' where notification_id = 3": {"events"},
    "update ledgerline.stored_events set topic = 'Other' where notification_id = 3": {"events"},
    forged("SendAccepted"): {"sends"},
    forged("SendFailed"): {"sends"},
    forged("SendDispatched"): {"sends"},
    forged("SendSettled"): {"sends"},
    "delete from ledgerline.messages_v1": {"messages_v2"},
    "update ledgerline.sends_v2 set state = 'failed' where state = 'accepted'": {"messages_v2"},
    "update ledgerline.window_v2 set version = version + 1": {"window_v2"},
    "insert into ledgerline.lines_v2 (line) values ('1')": {"lines_v2"},
    "update ledgerline.counts_sends_v2 set accepted_at = accepted_at - 1": {"counts_v2"},
    "update ledgerline.projection_checkpoints set position = position - 3": {"counts_v2", "messages_v2"},
}
"""What is done to the log, and the checks that must find it; others may find it too."""


async def audited(url: str, *, now: datetime | None = None) -> tuple[int, list[str]]:
    """How many things are wrong, and all that was said."""
    said: list[str] = []
    wrong = await verify_log(
        Databases(url, url, ()),
        "ledgerline",
        now=now or datetime.now(UTC),
        patience=timedelta(minutes=1),
        say=said.append,
    )
    return wrong, said


def checks(said: list[str], word: str) -> set[str]:
    return {line.split()[1] for line in said if line.split()[0] == word}


@asynccontextmanager
async def copy(database: str) -> AsyncIterator[str]:
    """A copy that nobody is connected to, without what makes the log append-only."""
    name = f"copy_{uuid4().hex}"
    parts = urlsplit(database)
    url, server = parts._replace(path=f"/{name}").geturl(), parts._replace(path="/postgres").geturl()
    await execute(server, f"create database {name} template {parts.path[1:]} strategy file_copy")
    try:
        await execute(url, "alter table ledgerline.stored_events disable trigger append_only")
        yield url
    finally:
        await execute(server, f"drop database {name} with (force)")


async def execute(url: str, sql: str) -> None:
    db = await asyncpg.connect(url)
    try:
        await db.execute(sql)
    finally:
        await db.close()


async def a_day(gateway: Running) -> None:
    """Messages and sends of every outcome."""
    for number in range(3):
        await gateway.writes(f"44770090020{number}")
    await gateway.writes()
    await gateway.text()
    await gateway.text(to="447700900999")
    await gateway.send(TEMPLATE)
    await gateway.post("/sandbox/faults", {"kind": "error", "code": 131051, "http_status": 400})
    await gateway.send(TEMPLATE)
    await gateway.post("/sandbox/faults", {"kind": "batch", "times": 9, "seconds": 0.5})
    await gateway.post("/sandbox/faults", {"kind": "drop_after_accept"})
    await gateway.send(TEMPLATE)
    await gateway.simulator.callbacks.settled()


async def test_the_audit_finds_what_was_done_to_a_log(
    start: Start, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "PATIENCE", 10.0)
    async with start() as gateway:
        await a_day(gateway)
        await gateway.settled()
        topics = [event["topic"] for event in await gateway.events()]
        assert {"SendAccepted", "SendFailed", "SendUnknown", "SendSettled", "SendRefused"} < {*topics}
        wrong, said = await audited(database)
        assert wrong == 0, said
        assert checks(said, "ok") > {"positions", "commits", "versions", "keys", "sends", "window_v2"}
        assert f"{len(topics)} can be read" in " ".join(said)
    assert (await audited(database)) == (0, said)

    for damage, expected in DAMAGES.items():
        async with copy(database) as url:
            await execute(url, damage)
            wrong, said = await audited(url)
            assert wrong > 0, damage
            assert expected <= checks(said, "WRONG"), (damage, said)


async def test_a_dispatch_without_an_outcome_is_wrong_once_it_is_old(running: Running, database: str) -> None:
    await running.send(TEMPLATE)
    await running.settled()
    await execute(database, "alter table ledgerline.stored_events disable trigger append_only")
    await execute(database, "delete from ledgerline.stored_events where topic = 'SendAccepted'")
    _, young = await audited(database)
    assert "sends" not in checks(young, "WRONG")
    _, old = await audited(database, now=datetime.now(UTC) + timedelta(minutes=2))
    assert "sends" in checks(old, "WRONG")


async def command(*words: str, url: str) -> tuple[int | None, str]:
    """Exit code of the command, and all it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from gateway.cli import main; main()", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"LEDGERLINE_DATABASE_URL": url, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tempfile.gettempdir(),
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_command_verifies_beside_a_gateway(running: Running, database: str) -> None:
    await running.writes()
    await running.text()
    await running.settled()
    code, said = await command("audit", "verify", "--log", url=database)
    assert (code, said.splitlines()[-1]) == (0, "all is well"), said
    await execute(database, "delete from ledgerline.event_keys where notification_id = 2")
    code, said = await command("audit", "verify", "--log", url=database)
    assert code == 1
    assert re.search(r"^WRONG +keys +position 2: its key is not in the table of keys$", said, re.MULTILINE)
    assert said.splitlines()[-1] == "1 wrong"
    assert ANN not in said


async def test_the_command_says_what_it_can_verify(database: str) -> None:
    assert await command("audit", "verify", url=database) == (1, "ledgerline: say what to verify: --log\n")


async def test_there_must_be_a_log(empty_database: str) -> None:
    with pytest.raises(AuditError, match="holds no log"):
        await audited(empty_database)
