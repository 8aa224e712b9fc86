"""`ledgerline doctor` against the simulator as WhatsApp, and a real database."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import sandbox as sandboxed
from gateway.doctor import examine
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.graph import graph_app, serving
from gateway.sandbox.simulator import create_simulator
from gateway.store import postgres
from gateway.store.log import Log
from gateway.store.postgres import Pool

NOBODY = "http://127.0.0.1:9"
OTHER_KEY = "B" * 43 + "="
LINE = f"upstream: line {sandboxed.LINE}"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LEDGERLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    simulator = create_simulator(callback_url=NOBODY, clock=SandboxClock())
    async with serving(graph_app(simulator), simulator) as url:
        yield url


async def examined(**given: Any) -> tuple[int, list[str]]:
    said: list[str] = []
    settings = dict(sandboxed.SETTINGS) | {"time_zone": "Europe/London"} | given
    code = await examine(settings, say=said.append)
    return code, [" ".join(line.split()) for line in said]


async def test_all_is_well(upstream: str) -> None:
    assert await examined(upstream_url=upstream) == (
        0,
        [
            "ok database: embedded, started with the gateway",
            f"ok {LINE} answers",
            "ok webhook: 1 app(s) subscribed to the account",
        ],
    )


async def test_everything_missing_is_named_at_once_beside_what_can_be_looked_at() -> None:
    said: list[str] = []
    assert await examine({"upstream_url": NOBODY}, say=said.append) == 1
    assert [line.split()[:2] for line in said] == [
        ["missing", "LEDGERLINE_APP_SECRETS"],
        ["missing", "LEDGERLINE_VERIFY_TOKEN"],
        ["missing", "LEDGERLINE_ACCESS_TOKEN"],
        ["missing", "LEDGERLINE_LINES"],
        ["missing", "LEDGERLINE_API_KEYS"],
        ["warning", "LEDGERLINE_TIME_ZONE"],
        ["ok", "database:"],
        ["wrong", "webhook:"],
    ]


async def test_settings_that_are_wrong_are_named_at_once() -> None:
    code, said = await examined(lines="x", policy="maybe", openers={"message": False})
    assert code == 1
    assert [line.split()[:2] for line in said] == [
        ["wrong", "LEDGERLINE_LINES:"],
        ["wrong", "LEDGERLINE_POLICY:"],
        ["wrong", "LEDGERLINE_OPENERS:"],
    ]


async def test_a_refused_token_is_said_with_the_code_of_whatsapp(upstream: str) -> None:
    code, said = await examined(upstream_url=upstream, access_token="topsecret")
    assert code == 1
    assert said[1:] == [
        f"wrong {LINE}: HTTP 401, code 190; check the token and the id",
        "wrong webhook: subscription: HTTP 401, code 190; check the token and the id",
    ]


async def test_a_line_of_another_account_is_said_beside_one_that_is_well(upstream: str) -> None:
    code, said = await examined(upstream_url=upstream, lines=(sandboxed.LINE, "42"))
    assert code == 1
    assert said[1] == f"ok {LINE} answers"
    assert said[2].startswith("wrong upstream: line 42: HTTP 400, code 100;")


async def test_nobody_at_the_other_end_is_said() -> None:
    code, said = await examined(upstream_url=NOBODY)
    assert code == 1
    assert said[1].startswith(f"wrong {LINE}: no answer (ClientConnectorError)")
    assert said[2].startswith("wrong webhook: subscription: no answer (ClientConnectorError)")


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ('{"data":[]}', "wrong webhook: no app is subscribed"),
        ("<html>", "wrong webhook: subscription answers, but not as WhatsApp does"),
        ("[]", "wrong webhook: subscription answers, but not as WhatsApp does"),
        ("{}", "wrong webhook: subscription answers, but not as WhatsApp does"),
    ],
)
async def test_an_answer_without_a_subscription_is_wrong(body: str, finding: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        code, said = await examined(upstream_url=str(server.make_url("")))
    assert code == 1
    assert said[2].startswith(finding)


@pytest.mark.parametrize("name", ["database_url", "admin_database_url"])
async def test_a_database_that_does_not_answer_is_said_without_its_password(
    name: str, database: str, upstream: str, master_key: str
) -> None:
    given = {"database_url": database, name: "postgresql://u:topsecret@127.0.0.1:9/x"}
    code, said = await examined(upstream_url=upstream, master_key=master_key, **given)
    assert code == 1
    variable = f"LEDGERLINE_{name.upper()}"
    assert f"wrong database: no connection (ConnectionRefusedError); check {variable}" in said
    assert "topsecret" not in "".join(said)


async def test_a_wrong_password_is_said(database: str, upstream: str, master_key: str) -> None:
    wrong = database.replace("ledgerline:", "ledgerline:x", 1)
    code, said = await examined(upstream_url=upstream, master_key=master_key, database_url=wrong)
    assert code == 1
    assert said[0] == "wrong database: no connection (InvalidPasswordError); check LEDGERLINE_DATABASE_URL"


async def test_a_database_that_forgets_in_a_crash_is_wrong(
    database: str, upstream: str, master_key: str
) -> None:
    # conftest.py starts the tests' server without fsync.
    code, said = await examined(upstream_url=upstream, master_key=master_key, database_url=database)
    assert code == 1
    assert said[0] == "wrong database: fsync is off, so a crash may lose what was acknowledged"


async def test_a_server_that_is_too_old_is_said(
    database: str, upstream: str, master_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OLDEST", 99)
    code, said = await examined(upstream_url=upstream, master_key=master_key, database_url=database)
    assert code == 1
    assert said[0].startswith("wrong database: PostgreSQL 1")
    assert said[0].endswith(" is too old: 99 or newer is needed")
    assert said[1].endswith(" is too old: 99 or newer is needed")


async def test_a_log_that_was_not_begun_is_none_yet(
    empty_database: str, database: str, upstream: str, master_key: str
) -> None:
    for url in (empty_database, database):
        _, said = await examined(upstream_url=upstream, master_key=master_key, database_url=url)
        assert said[1] == "ok log: none in the schema ledgerline yet; the first start makes it"


async def test_the_master_key_is_tried(database: str, pool: Pool, upstream: str, master_key: str) -> None:
    async with Log.open(database, pool, "ledgerline", master_keys=[base64.b64decode(master_key)]):
        pass
    given = {"upstream_url": upstream, "database_url": database}

    _, said = await examined(master_key=f"{OTHER_KEY},{master_key}", **given)
    assert said[1] == "ok log: the master key opens it"
    code, said = await examined(master_key=OTHER_KEY, **given)
    assert code == 1
    assert said[1] == "wrong log: no LEDGERLINE_MASTER_KEY opens it; give the one that it was made with"


async def test_the_media_vault_is_tried(upstream: str, tmp_path: Path) -> None:
    _, said = await examined(upstream_url=upstream, keep_media=True)
    assert said[1] == "ok media vault: it gives back what it was given"
    (tmp_path / "file").write_text("no folder")
    code, said = await examined(upstream_url=upstream, vault=str(tmp_path / "file"))
    assert code == 1
    assert said[1] == "wrong media vault: files can't be kept (FileExistsError); check LEDGERLINE_VAULT"
    bucket = {"vault": "s3://bucket", "vault_s3_url": NOBODY, "vault_s3_key_id": "id", "vault_s3_secret": "s"}
    code, said = await examined(upstream_url=upstream, **bucket)
    assert code == 1
    assert said[1] == "wrong media vault: files can't be kept (GenericError); check LEDGERLINE_VAULT"


@pytest.fixture
def master_key() -> str:
    return "A" * 43 + "="
