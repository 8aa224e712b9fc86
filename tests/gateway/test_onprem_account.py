"""Log-in, contact check and health of the on-premises face."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from running import ANN, Running, Start

from gateway.sandbox import API_KEY

Payload = Callable[[str], Any]

META = {"api_status": "stable", "version": "2.53.1"}
NOBODY = {"Authorization": ""}


def basic(password: str, user: str = "admin") -> dict[str, str]:
    """The header of a log-in."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("body", [b"", b"{}", b" \n"])
async def test_a_log_in_gives_a_token_that_sends(running: Running, body: bytes) -> None:
    status, answer = await running.post("/v1/users/login", body, headers=basic(API_KEY))
    [user] = answer["users"]
    assert (status, answer["meta"], user.keys()) == (200, META, {"token", "expires_after"})
    expires = datetime.fromisoformat(user["expires_after"])
    now = running.gateway.clock()
    assert timedelta(days=6, hours=23) < expires - now <= timedelta(days=7)
    await running.writes()
    text = {"to": ANN, "text": {"body": "On its way."}}
    bearer = {"Authorization": f"Bearer {user['token']}"}
    assert (await running.post("/v1/messages", text, headers=bearer))[0] == 201


@pytest.mark.parametrize(
    "headers", [NOBODY, basic("wrong"), {"Authorization": "Basic ?"}, {"Authorization": f"Bearer {API_KEY}"}]
)
async def test_a_log_in_needs_a_known_key_as_its_password(running: Running, headers: dict[str, str]) -> None:
    status, answer = await running.post("/v1/users/login", b"", headers=headers)
    assert (status, answer["errors"][0]["code"]) == (401, 1005)
    assert API_KEY not in str(answer)


@pytest.mark.parametrize(("body", "code"), [(b'{"new_password":"n3w"}', 1010), (b"{", 1025)])
async def test_a_log_in_changes_no_password(running: Running, body: bytes, code: int) -> None:
    status, answer = await running.post("/v1/users/login", body, headers=basic(API_KEY))
    assert (status, answer["errors"][0]["code"]) == (400, code)
    assert "n3w" not in str(answer)


async def test_a_log_out_ends_nothing(running: Running) -> None:
    assert await running.post("/v1/users/logout", b"") == (200, {"meta": META})
    assert (await running.get("/v1/health"))[0] == 200
    status, answer = await running.post("/v1/users/logout", b"", headers=NOBODY)
    assert (status, answer["errors"][0]["code"]) == (401, 1005)


async def test_contacts_are_judged_by_how_they_are_written_and_nothing_is_recorded(
    running: Running, payload: Payload
) -> None:
    asked = {"contacts": ["+44 (7700) 900-123", "447700900998", "", "+", "soon", "GB.123"]}
    status, answer = await running.post("/v1/contacts", asked | {"blocking": "wait", "force_check": True})
    assert status == 200
    assert answer == {
        "contacts": [
            {"input": "+44 (7700) 900-123", "status": "valid", "wa_id": ANN},
            {"input": "447700900998", "status": "valid", "wa_id": "447700900998"},
            *({"input": text, "status": "invalid"} for text in asked["contacts"][2:]),
        ],
        "meta": META,
    }
    assert answer.keys() == payload("onprem_contacts_response").keys()
    assert await running.events() == []
    assert (await running.gateway.log.conversation(next(iter(running.gateway.settings.lines)), ANN)) is None


@pytest.mark.parametrize("blocking", [{}, {"blocking": "no_wait"}])
async def test_a_caller_who_does_not_wait_is_told_to_ask_again(
    running: Running, blocking: dict[str, str]
) -> None:
    _, answer = await running.post("/v1/contacts", {"contacts": [f"+{ANN}", "soon"]} | blocking)
    assert answer["contacts"] == [
        {"input": f"+{ANN}", "status": "processing", "wa_id": ANN},
        {"input": "soon", "status": "invalid"},
    ]


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        (b"{", 1025, "JSON"),
        ({}, 1008, "contacts"),
        ({"contacts": ANN}, 1009, "contacts"),
        ({"contacts": [447700900123]}, 1009, "contacts"),
        ({"contacts": [ANN], "blocking": True}, 1009, "blocking"),
        ({"contacts": [ANN], "force_check": "yes"}, 1009, "force_check"),
    ],
)
async def test_a_malformed_check_names_its_field(running: Running, body: Any, code: int, named: str) -> None:
    status, answer = await running.post("/v1/contacts", body)
    [error] = answer["errors"]
    assert (status, error["code"]) == (400, code)
    assert named in error["details"]


async def test_a_check_needs_the_scope_to_send(start: Start) -> None:
    async with start(api_keys=("reader:sandbox-key:read",)) as gateway:
        status, answer = await gateway.post("/v1/contacts", {"contacts": [ANN]})
        assert (status, answer["errors"][0]["code"]) == (403, 1005)


async def test_health_is_the_databases(running: Running, database: str, cluster: str) -> None:
    async def health() -> Any:
        return await running.get("/v1/health")

    assert await health() == (200, {"health": {"gateway_status": "connected"}, "meta": META})
    name = urlsplit(database).path.removeprefix("/")
    admin = await asyncpg.connect(cluster)
    try:
        await admin.execute(f"alter database {name} allow_connections false")
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        assert await health() == (200, {"health": {"gateway_status": "disconnected"}, "meta": META})
    finally:
        await admin.execute(f"alter database {name} allow_connections true")
        await admin.close()
