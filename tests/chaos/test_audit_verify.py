"""The audit of a log finds nothing in a sound one, and whatever somebody did to it behind our back."""

from __future__ import annotations

import asyncio
import base64
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
from audit import Known, audit, dump
from running import ANN, MASTER_KEY, Running, Start

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

MERGED = """
update ledgerline.stored_events set topic = topic where notification_id in (2, 4)
"""
"""The events of one commit, with another one's between them: it was there when only a part of them was."""

AGAIN = """
update ledgerline.stored_events set state = convert_to(
  replace(convert_from(state, 'UTF8'), '"attempt":1', '"attempt":2'), 'UTF8')
where notification_id = (select max(notification_id) from ledgerline.stored_events)
"""
"""What was forged last is of a second attempt."""

ANOTHER = """
update ledgerline.stored_events set state = convert_to(
  regexp_replace(convert_from(state, 'UTF8'), '"message_key":"[^"]*"', '"message_key":"{key}"'), 'UTF8')
where notification_id = (select min(notification_id) from ledgerline.stored_events where topic = '{topic}')
"""
"""The first event of a topic is of another message."""


def altered(topic: str) -> str:
    return ANOTHER.format(topic=topic, key=uuid4())


DAMAGES = {
    "delete from ledgerline.stored_events where notification_id = 4": {
        *("positions .*: 4 to 4 are missing", "versions .* has none before it", "keys .* a key and no event"),
    },
    "delete from ledgerline.stored_events where notification_id = "
    "(select max(notification_id) from ledgerline.stored_events)": {"keys .* has a key and no event"},
    "delete from ledgerline.event_keys where notification_id = 3": {"keys .* is not in the table of keys"},
    "update ledgerline.event_keys set notification_id = 2 where notification_id = 3": {
        *("keys .* its key leads to position 2", "keys .* has 2 keys"),
    },
    "insert into ledgerline.event_keys values (gen_random_uuid(), 3, 0)": {"keys .* has 2 keys"},
    "update ledgerline.stored_events set originator_version = originator_version + 900 "
    "where notification_id = 4": {"versions .* has none before it"},
    MERGED: {"commits .* another commit stands between"},
    SWAP: {"versions .* stands before the one before it", "sends .* and nobody asked for it"},
    "update ledgerline.stored_events set state = 'x' where notification_id = 3": {"events .* can't be read"},
    "update ledgerline.stored_events set topic = 'Other' where notification_id = 3": {
        "events .* can't be read",
    },
    forged("SendAccepted"): {"sends .* has one already, or never left"},
    forged("SendFailed"): {"sends .* has one already, or never left"},
    forged("SendDispatched"): {"sends .* and nobody asked for it"},
    forged("SendDispatched") + ";" + AGAIN: {
        *("sends .* although attempt 1 was not unknown", "sends .* and nobody's order is recorded"),
    },
    forged("SendSettled"): {"sends .* was settled without being unknown"},
    altered("StatusReceived"): {r"messages .* is 2 messages after 1 attempt\(s\)", "messages_v2 .* differs"},
    "delete from ledgerline.messages_v1": {"messages_v2 .* is missing"},
    "update ledgerline.sends_v2 set state = 'failed' where state = 'accepted'": {"messages_v2 .* differs"},
    "update ledgerline.window_v2 set version = version + 1": {"window_v2 .* differs"},
    "insert into ledgerline.lines_v2 (line) values ('1')": {"lines_v2 .* is too much"},
    "update ledgerline.counts_sends_v2 set accepted_at = accepted_at - 1": {"counts_v2 .* differs"},
    "update ledgerline.projection_checkpoints set position = position - 3": {
        *("counts_v2 .* differs", "messages_v2 .* differs"),
    },
}
"""What is done to the log, and what must be found; more may be found too."""


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
            found = [line for line in said if line.startswith("WRONG") and " position " in line]
            for finding in expected:
                assert any(re.search(finding, line) for line in found), (damage, finding, said)


async def test_a_dispatch_without_an_outcome_is_wrong_once_it_is_old(running: Running, database: str) -> None:
    await running.send(TEMPLATE)
    await running.settled()
    await execute(database, "alter table ledgerline.stored_events disable trigger append_only")
    await execute(database, "delete from ledgerline.stored_events where topic = 'SendAccepted'")
    _, young = await audited(database)
    assert "sends" not in checks(young, "WRONG")
    _, old = await audited(database, now=datetime.now(UTC) + timedelta(minutes=2))
    assert "sends" in checks(old, "WRONG")


UNKEPT = {
    altered("MessageReceived"): "message .* is in the log 0 times",
    altered("StatusReceived"): "status .* is in the log 0 times",
    altered("SendAccepted"): "accept(ed|ance) .* is in the log 0 times",
    forged("MessageReceived"): "message .* is in the log 2 times",
    forged("StatusReceived"): "status .* is in the log 2 times",
    forged("SendAccepted"): "accept(ed|ance) .* is in the log 2 times",
}
"""What is done to the log, and what only somebody finds who knows what was acknowledged."""


async def test_what_was_acknowledged_and_is_not_there_once_is_found(
    start: Start, database: str, tmp_path: Path
) -> None:
    known, key = Known(), base64.b64decode(MASTER_KEY)
    async with start() as gateway:
        await gateway.writes()
        _, answer = await gateway.text()
        known.told[gateway.headers["Ledgerline-Send-Id"]] = answer["messages"][0]["id"]
        await gateway.settled()
        known.learn(gateway.simulator)
    for damage, finding in UNKEPT.items():
        async with copy(database) as url:
            await execute(url, damage)
            said: list[str] = []
            assert await audit(url, key, known, patience=timedelta(), say=said.append) > 0, damage
            assert [line for line in said if re.search(f"^WRONG +{finding}$", line)], (damage, said)
    known.messages.append("wamid.lost")
    dump(known, tmp_path / "known.json")
    program = Path(__file__).with_name("audit.py"), database, tmp_path / "known.json"
    code, told = await ran(*map(str, program), LEDGERLINE_MASTER_KEY=MASTER_KEY)
    assert (code, told.count("WRONG")) == (1, 1), told


async def command(*words: str, url: str) -> tuple[int | None, str]:
    """The same of our command."""
    return await ran("-c", "from gateway.cli import main; main()", *words, LEDGERLINE_DATABASE_URL=url)


async def ran(*words: str, **environment: str) -> tuple[int | None, str]:
    """Exit code of a program in Python, and all it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
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
