"""Destinations made, changed and removed: by the API, the command and ledgerline.toml."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from running import ANN, MASTER_KEY, Running, Start, until
from sinks import Delivery, Sink, added, sink

from gateway.settings import SettingsError
from gateway.settings.loading import load

SECRETS = ("the-app-secret", "the-token")
LEDGERLINE = Path(sys.executable).parent / "ledgerline"


async def command(database: str, *words: str, **settings: str) -> tuple[int, str]:
    """The command's exit code, and what it said."""
    told = {"DATABASE_URL": database, "MASTER_KEY": MASTER_KEY, "DESTINATIONS_PRIVATE": "127.0.0.1"}
    names = {f"LEDGERLINE_{name}": value for name, value in (told | settings).items()}
    process = await asyncio.create_subprocess_exec(
        LEDGERLINE,
        *words,
        env={"PATH": os.environ["PATH"], **names},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def request(gateway: Running, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with gateway.http.request(method, gateway.url + path, json=body) as answer:
        return answer.status, await answer.json() if answer.status != 204 else None


async def test_a_destination_is_shown_without_its_secrets(running: Running, hook: Sink) -> None:
    made = await added(running, hook, secret=SECRETS[0], headers={"Authorization": SECRETS[1]})
    path = f"/api/destinations/{made['id']}"

    _, listed = await running.get("/api/destinations")
    _, shown = await running.get(path)

    assert [one["id"] for one in listed["destinations"]] == [made["id"]]
    assert shown["headers"] == ["Authorization"]
    for text in (str(listed), str(shown)):
        assert not any(secret in text for secret in SECRETS)
    assert shown["lag"] == {"events": 1, "seconds": shown["lag"]["seconds"]} or shown["lag"]["events"] == 0


async def test_no_secret_is_stored_in_the_open(running: Running, hook: Sink, database: str) -> None:
    await added(running, hook, secret=SECRETS[0], headers={"Authorization": SECRETS[1]})

    connection = await asyncpg.connect(database)
    [row] = await connection.fetch("select * from ledgerline.destinations")
    states = await connection.fetch("select state from ledgerline.stored_events")
    await connection.close()

    for kept in (str(dict(row)), *(state["state"].decode() for state in states)):
        assert not any(secret in kept for secret in SECRETS)


async def test_a_destination_is_changed_and_removed(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    path = f"/api/destinations/{made['id']}"
    async with sink() as other:
        change = {"url": other.url, "filter": {"topics": ["MessageReceived"]}, "name": "crm-2"}
        status, changed = await request(running, "PATCH", path, change)
        assert (status, changed["name"], changed["url"]) == (200, "crm-2", other.url)
        assert changed["filter"]["topics"] == ["MessageReceived"]

        await running.writes(ANN)
        await until(lambda: _are(other.taken, 1))
        assert hook.taken == []

        assert await request(running, "DELETE", path) == (204, None)
        assert (await request(running, "GET", path))[0] == 404
        assert (await request(running, "DELETE", path))[0] == 404
    events = [event["data"]["event"] for event in await running.events("DestinationChanged")]
    assert events == ["added", "changed", "removed"]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"name": "crm"}, "format"),
        ({"name": "crm", "format": "whatsapp"}, "url"),
        ({"name": "crm", "format": "whatsapp", "url": "https://nowhere.invalid/"}, "url"),
        ({"name": "crm", "format": "whatsapp", "url": "http://127.0.0.1/", "from": 0}, "from"),
        ({"name": "crm", "format": "whatsapp", "url": "http://127.0.0.1/", "from": "tail"}, "from"),
        ({"name": "crm", "format": "whatsapp", "url": "http://127.0.0.1/", "from": 1_000_000}, "from"),
        ({"name": "crm", "format": "whatsapp", "url": "http://127.0.0.1/", "retries": 3}, "retries"),
    ],
)
async def test_what_is_wrong_is_named(running: Running, body: Any, parameter: str) -> None:
    status, problem = await running.post("/api/destinations", body)

    assert (status, problem["parameter"]) == (400, parameter)
    assert (await running.get("/api/destinations"))[1] == {"destinations": []}


async def test_a_slip_is_told_all_fields_and_that_there_are_no_lines(
    running: Running, hook: Sink, database: str
) -> None:
    _, problem = await running.post("/api/destinations", {"name": "crm", "retries": 3})
    assert problem["detail"].endswith("the fields are name, url, format, filter, headers, secret, from.")

    code, said = await command(database, "destinations", "add", "crm", hook.url, "--line", "1", LINES="")
    assert (code, "'1' is none, there are: none\n" in said) == (1, True)


async def test_a_change_names_all_that_can_be_changed(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    path = f"/api/destinations/{made['id']}"

    status, problem = await request(running, "PATCH", path, {"state": "paused", "retries": 3})

    assert (status, problem["parameter"]) == (400, "retries")
    assert "name, url, filter, headers, state" in problem["detail"]
    assert (await running.get(path))[1]["state"] == "active"


async def test_a_name_is_given_once(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    other = await added(running, hook, name="other")
    body = {"name": "crm", "url": hook.url, "format": "events"}

    assert (await running.post("/api/destinations", body))[0] == 409
    status, problem = await request(running, "PATCH", f"/api/destinations/{other['id']}", {"name": "crm"})
    assert (status, problem["type"]) == (409, "urn:ledgerline:conflict")
    assert made["name"] == "crm"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "POST rotate", "POST resume", "POST redeliver"])
@pytest.mark.parametrize("known", ["id", "no-uuid"])
async def test_an_unknown_destination_is_none(running: Running, method: str, known: str) -> None:
    method, _, action = method.partition(" ")
    path = f"/api/destinations/{uuid4() if known == 'id' else known}" + (f"/{action}" if action else "")

    status, problem = await request(running, method, path, {"state": "paused"} if method == "PATCH" else {})

    assert (status, problem["type"]) == (404, "urn:ledgerline:not-found")


@pytest.mark.parametrize(
    ("key", "status"), [("read-key", 403), ("bound-key", 403), ("wrong", 401), ("admin-key", 200)]
)
async def test_destinations_are_an_administrators(start: Start, key: str, status: int) -> None:
    keys = ("a:admin-key:admin", "r:read-key:send+read+content", "b:bound-key:admin@106540352242922")
    async with start(api_keys=keys) as gateway:
        headers = {"Authorization": f"Bearer {key}"}
        async with gateway.http.get(f"{gateway.url}/api/destinations", headers=headers) as answer:
            assert answer.status == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from": 0},
        {"from": True},
        {"from": 1, "failed": True},
        {"since": "yesterday"},
        {"since": "2026-11-25T00:00:00"},
        {"failed": False},
    ],
)
async def test_a_redelivery_is_told_from_where(running: Running, hook: Sink, body: Any) -> None:
    made = await added(running, hook)

    status, problem = await running.post(f"/api/destinations/{made['id']}/redeliver", body)

    assert (status, problem["type"]) == (400, "urn:ledgerline:bad-parameter")


async def test_a_redelivery_begins_in_the_log(running: Running, hook: Sink, database: str) -> None:
    made = await added(running, hook)
    head = len(await running.events())
    path = f"/api/destinations/{made['id']}/redeliver"

    status, problem = await running.post(path, {"from": head + 2})
    assert (status, problem["parameter"]) == (400, "from")
    assert problem["detail"] == f"from must be a position of the log from 1 to {head + 1}."
    code, said = await command(database, "redeliver", "crm", "--from", str(head + 2))
    assert (code, "from must be a position of the log" in said) == (1, True)
    assert len(await running.events()) == head

    assert await running.post(path, {"from": head + 1}) == (202, {"from": head + 1, "events": 0})


async def test_everything_since_a_time_is_delivered_again(running: Running, hook: Sink) -> None:
    made = await added(running, hook)
    for text in ("one", "two", "three"):
        await running.writes(ANN, type="text", text={"body": text})
        await running.advance(60)
    await until(lambda: _are(hook.taken, 3))
    _, two, _ = await running.events("MessageReceived")

    status, answer = await running.post(
        f"/api/destinations/{made['id']}/redeliver", {"since": two["recorded_at"]}
    )
    await until(lambda: _are(hook.taken, 5))

    assert (status, answer["from"]) == (202, two["position"])
    assert hook.texts() == ["one", "two", "three", "two", "three"]


async def test_the_command_does_all_of_it(start: Start, database: str, hook: Sink, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    words = ("destinations", "add", "crm", hook.url, "--secret-file", str(tmp_path / "secret"))
    code, said = await command(database, *words, "--topic", "MessageReceived", "--header", "X-A: b")
    assert (code, "0123456789abcdef" in said, "secret: " in said) == (0, False, False)
    assert (await command(database, *words))[0] == 1

    async with start() as gateway:
        await gateway.writes(ANN)
        await until(lambda: _are(hook.taken, 1))
        assert hook.taken[0].headers["x-a"] == "b"
        code, said = await command(database, "redeliver", "crm", "--from", "1")
        assert (code, "from position 1 on" in said) == (0, True)
        await until(lambda: _are(hook.taken, 2))

    code, said = await command(database, "destinations", "show", "crm")
    assert (code, "takes topics MessageReceived\n" in said) == (0, True)
    head = re.search(r"delivered or parked up to position \d+ of (\d+)", said)
    assert head is not None
    assert int(head[1]) >= 2
    assert "crm: paused" in (await command(database, "destinations", "pause", "crm"))[1]
    assert "  paused" in (await command(database, "destinations", "list"))[1]
    code, said = await command(database, "destinations", "rotate", "crm")
    assert (code, "0123456789abcdef" in said, "secret: " in said) == (0, False, True)
    assert "crm: removed" in (await command(database, "destinations", "remove", "crm"))[1]
    code, said = await command(database, "destinations", "show", "crm")
    assert (code, "there is no destination 'crm'; there are: none yet" in said) == (1, True)
    code, said = await command(database, "redeliver", "crm", "--from", "1", "--failed")
    assert (code, "give one of" in said) == (1, True)


async def test_the_command_begins_where_it_is_told(running: Running, hook: Sink, database: str) -> None:
    await running.writes(ANN)
    for option, last in (("--from", "0"), ("--start", "1")):
        code, said = await command(database, "destinations", "add", "crm", hook.url, option, last)
        assert (code, "from must be head, or a position" in said) == (
            (1, True) if last == "0" else (0, False)
        )

    await until(lambda: _are(hook.taken, 1))


async def test_a_redelivery_to_who_is_paused_is_said_to_wait(
    running: Running, hook: Sink, database: str
) -> None:
    made = await added(running, hook)
    await request(running, "PATCH", f"/api/destinations/{made['id']}", {"state": "paused"})

    code, said = await command(database, "redeliver", "crm", "--from", "1")

    assert (code, "It is paused: it gets them after `ledgerline destinations resume crm`." in said) == (
        0,
        True,
    )


async def test_the_settings_make_and_change_destinations(start: Start, hook: Sink) -> None:
    crm: dict[str, Any] = {"url": hook.url, "format": "whatsapp", "secret": "first-secret"}
    async with start(destination={"crm": crm}) as gateway:
        await gateway.writes(ANN)
        await until(lambda: _are(hook.taken, 1))
        _, first = await gateway.get("/api/destinations")
    changed = crm | {"headers": {"X-Team": "crm"}, "secret": "second-secret"}
    async with start(destination={"crm": changed}) as gateway:
        await gateway.writes(ANN)
        await until(lambda: _are(hook.taken, 2))
        _, second = await gateway.get("/api/destinations")
        events = await gateway.events("DestinationChanged")
    async with start(destination={"crm": changed}) as gateway:
        assert len(await gateway.events("DestinationChanged")) == 2

    assert [one["id"] for one in first["destinations"]] == [one["id"] for one in second["destinations"]]
    assert hook.taken[1].headers["x-team"] == "crm"
    assert [(event["data"]["event"], event["data"]["caller"]) for event in events] == [
        ("added", "settings"),
        ("changed", "settings"),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "https://crm.example/", "format": "whatsapp"}, "crm.secret must be given"),
        ({"url": "crm.example", "format": "whatsapp", "secret": "12345678"}, "crm.url must be an https://"),
        (
            {
                "url": "https://crm.example/",
                "format": "whatsapp",
                "secret": "12345678",
                "filter": {"lines": ["9"]},
            },
            "crm.filter.lines must be lines of this gateway",
        ),
    ],
)
def test_settings_that_are_wrong_are_named(given: Mapping[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(lines=("1",), destination={"crm": given})

    assert any(said in problem for problem in error.value.problems), error.value.problems
    assert "12345678" not in str(error.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("3", "must be an object of destinations by their names"),
        ('["crm"]', "must be an object of destinations by their names"),
        ('{"crm": "https://crm.example/", "erp": {}}', 'crm must be an object such as {"url"'),
        ('{"crm": "https://crm.example/", "erp": {}}', "; erp.format must be"),
        ('{"crm": {"url": "x"}, "erp": {"format": "events", "url": "x"}}', "crm.format must be"),
        ('{"crm": {"url": "x"}, "erp": {"format": "events", "url": "x"}}', "; erp.url must be"),
        ('{"crm": {"name": "erp"}}', "crm.name must be left out"),
    ],
)
def test_every_entry_of_the_file_that_is_wrong_is_named(
    written: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "destinations.json"
    file.write_text(written)
    monkeypatch.setenv("LEDGERLINE_DESTINATION_FILE", str(file))
    with pytest.raises(SettingsError) as error:
        load()

    found = error.value.problems[0]
    assert found.startswith("LEDGERLINE_DESTINATION: ")
    assert said in found


def test_destinations_may_stand_in_a_file_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, crm = tmp_path / "crm.json", {"url": "https://crm.example/", "format": "whatsapp"}
    monkeypatch.setenv("LEDGERLINE_DESTINATION_FILE", str(file))
    file.write_text(json.dumps({"crm": crm | {"secret": "12345678"}}))
    assert load().destination["crm"]["secret"] == "12345678"

    file.write_text("{crm")
    with pytest.raises(SettingsError) as error:
        load()

    assert error.value.problems[0].startswith("LEDGERLINE_DESTINATION: is no JSON")


async def _are(found: list[Delivery], count: int) -> bool:
    return len(found) >= count
