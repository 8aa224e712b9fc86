"""Why a send went the way it went: over HTTP, and by the command beside a gateway."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from running import ANN, LINE, Running, Start

from gateway import sandbox

OTHER_LINE = "106000000000001"
FULL = f"sandbox:{sandbox.API_KEY}:send+read+content+admin"
COMMAND = (sys.executable, "-c", "from gateway.cli import main; main()")


async def sent(running: Running) -> tuple[str, str]:
    """Send a text; our id and WhatsApp's."""
    status, answer = await running.text()
    assert status == 200, answer
    return running.headers["Ledgerline-Send-Id"], answer["messages"][0]["id"]


async def refused(running: Running) -> str:
    assert (await running.text())[0] == 400
    return str(running.headers["Ledgerline-Send-Id"])


async def test_a_send_is_explained_event_by_event(running: Running) -> None:
    await running.writes()
    send_id, wamid = await sent(running)
    await running.settled()
    status, told = await running.get(f"/api/messages/{send_id}/explanation")
    _, life = await running.get(f"/api/messages/{send_id}")
    assert status == 200
    assert [told[name] for name in ("send_id", "message_id", "line", "contact")] == [
        send_id,
        wamid,
        LINE,
        ANN,
    ]
    assert told["state"] == life["state"] == "delivered"
    assert [(step["position"], step["topic"]) for step in told["steps"]] == [
        (event["position"], event["topic"]) for event in life["events"]
    ]
    assert "It was allowed: the window was open until" in told["steps"][0]["text"]
    assert told["steps"][0]["at"].endswith("Z")
    assert await running.get(f"/api/messages/{quote(wamid, safe='')}/explanation") == (200, told)


async def test_a_refusal_is_explained_at_once(running: Running) -> None:
    send_id = await refused(running)
    status, told = await running.get(f"/api/messages/{send_id}/explanation")
    assert (status, told["state"]) == (200, "refused")
    assert told["summary"].startswith("Refused by the gateway: the window never opened")


async def test_a_line_that_observes_says_what_would_have_been(start: Start) -> None:
    async with start(policy="observe") as running:
        send_id, _ = await sent(running)
        _, told = await running.get(f"/api/messages/{send_id}/explanation")
        assert "It would have been refused" in told["steps"][0]["text"]


async def test_what_is_no_send_is_not_explained(running: Running) -> None:
    wamid = await running.writes()
    status, body = await running.get(f"/api/messages/{quote(wamid, safe='')}/explanation")
    assert (status, body["type"]) == (404, "urn:ledgerline:not-found")
    assert body["detail"].startswith("This message was not sent through this gateway")
    status, body = await running.get(f"/api/messages/{uuid4()}/explanation")
    assert (status, body["detail"]) == (404, "This log knows no message with this id.")


async def test_without_content_nothing_personal_is_told(start: Start) -> None:
    keys = (FULL, "auditor:auditor-key:read", f"bound:bound-key:read@{OTHER_LINE}", "sender:sender-key:send")
    async with start(api_keys=keys, lines=(LINE, OTHER_LINE)) as running:
        await running.writes()
        send_id, wamid = await sent(running)
        await running.settled()
        path = f"/api/messages/{send_id}/explanation"
        running.http.headers["Authorization"] = "Bearer auditor-key"
        status, told = await running.get(path)
        assert (status, told["message_id"]) == (200, None)
        assert not [text for text in (wamid, ANN, "On its way") if text in str(told)]
        running.http.headers["Authorization"] = "Bearer bound-key"
        assert (await running.get(path))[0] == 404
        running.http.headers["Authorization"] = "Bearer sender-key"
        assert (await running.get(path))[0] == 403


async def command(*words: str, **variables: str) -> tuple[int, str]:
    """Run the command to its end: exit code, and all it said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERLINE_")}
    given = {f"LEDGERLINE_{name}": value for name, value in variables.items()}
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=clean | {"PYTHONPATH": str(Path(__file__).parents[2])} | given,
        cwd=tempfile.gettempdir(),
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_the_command_explains_beside_a_gateway_and_without_one(start: Start, database: str) -> None:
    async with start() as running:
        send_id = await refused(running)
        _, told = await running.get(f"/api/messages/{send_id}/explanation")
        beside = await command("audit", "explain", send_id, DATABASE_URL=database)
        head = await running.gateway.log.head()
    code, said = beside
    assert code == 0
    for part in (f"{send_id}: refused", told["summary"], told["steps"][0]["text"], "SendRefused"):
        assert part in " ".join(said.split())
    assert ANN not in said
    assert await command("audit", "explain", send_id.upper(), DATABASE_URL=database) == beside
    async with start() as running:
        assert await running.gateway.log.head() == head


async def test_the_command_says_what_is_wrong_with_an_id(start: Start, database: str) -> None:
    async with start():
        pass
    unknown = str(uuid4())
    assert await command("audit", "explain", unknown, DATABASE_URL=database) == (
        1,
        f"ledgerline: this log knows no send {unknown}\n",
    )
    code, said = await command("audit", "explain", "wamid.x", DATABASE_URL=database)
    assert code == 1
    assert said.startswith("ledgerline: 'wamid.x' is no send_id: that is the UUID")


async def test_the_command_says_where_no_log_is(empty_database: str, tmp_path: Path) -> None:
    code, said = await command("audit", "explain", str(uuid4()), DATABASE_URL=empty_database)
    assert code == 1
    assert "the schema ledgerline holds no log of this release" in said
    nowhere = tmp_path / "nowhere"
    code, said = await command("audit", "explain", str(uuid4()), "--data-dir", str(nowhere))
    assert code == 1
    assert said.startswith(f"ledgerline: {nowhere} holds no log: choose its place with --data-dir, or name")
    assert not nowhere.exists()
    code, said = await command(
        "audit", "explain", str(uuid4()), DATABASE_URL="postgresql://nobody@127.0.0.1:1/x"
    )
    assert code == 1
    assert "the database can't be read" in said
