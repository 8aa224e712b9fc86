"""WhatsApp's callbacks over HTTP: verified, read, recorded, and only then acknowledged."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import LINE, Running, Start, until

from gateway import webhook

CALLBACK = "/webhooks/whatsapp"
NUMBERS = count(1)

Metric = Callable[..., Awaitable[float]]
Payload = Callable[[str], Any]


def text(number: object, line: str = LINE, body: str = "hello") -> dict[str, Any]:
    """A text of Ann's with an id of its own."""
    return {
        "from": "447700900123",
        "id": f"wamid.{line}.{number}",
        "timestamp": "1795305600",
        "type": "text",
        "text": {"body": body},
    }


def of_line(messages: list[dict[str, Any]], line: str = LINE, **more: Any) -> dict[str, Any]:
    """A callback with these messages."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": line}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": messages} | more
    change = {"field": "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}


def signature(body: bytes, secret: str) -> dict[str, str]:
    """The header WhatsApp signs with."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


async def test_the_challenge_comes_back_as_it_was(running: Running) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "sandbox-verify-token", "hub.challenge": "007 <é>&"}
    assert await running.get(CALLBACK, **query) == (200, "007 <é>&")
    assert running.headers["Content-Type"].startswith("text/plain")


async def test_a_verification_that_is_not_ours_is_forbidden(running: Running) -> None:
    query = {
        "hub.mode": "subscribe",
        "hub.verify_token": "sandbox-verify-token",
        "hub.challenge": "1158201444",
    }
    wrong: list[dict[str, str]] = [
        {"hub.verify_token": "another"},
        {"hub.verify_token": ""},
        {"hub.verify_token": "sandbox-verify-tokén"},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": ""},
    ]
    for change in wrong:
        status, body = await running.get(CALLBACK, **(query | change))
        assert status == 403
        assert "115820" not in body


async def test_without_a_verify_token_nobody_is_verified(start: Start) -> None:
    async with start(verify_token=None) as gateway:
        status, _ = await gateway.get(
            CALLBACK, **{"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}
        )
        assert status == 403


async def test_what_is_not_signed_is_counted_and_not_stored(running: Running, metric: Metric) -> None:
    body = orjson.dumps(of_line([text(1)]))
    right = signature(body, "sandbox-app-secret")["X-Hub-Signature-256"]
    headers: list[dict[str, str]] = [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": right.removeprefix("sha256=")},
        {"X-Hub-Signature-256": right.upper()},
        {"X-Hub-Signature-256": right[:-1]},
        {"X-Hub-Signature-256": "sha256=\u00e9"},
        {"X-Hub-Signature": right},
        signature(body, "another-app-secret"),
        signature(body + b" ", "sandbox-app-secret"),
    ]
    for header in headers:
        status, answer = await running.post(CALLBACK, body, headers=header)
        assert status == 401, header
        assert answer["type"] == "urn:ledgerline:unauthorized"
    assert await metric(running, "ledgerline_webhooks_total", result="unsigned") == len(headers)
    assert await metric(running, "ledgerline_webhooks_total") == len(headers)
    assert await running.events() == []
    assert await running.callback(body) == 200


async def test_while_the_app_secret_changes_both_sign(start: Start) -> None:
    async with start(app_secrets=("the-new-secret", "the-old-secret")) as gateway:
        assert await gateway.callback(of_line([text(1)]), secret="the-old-secret") == 200
        assert await gateway.callback(of_line([text(2)]), secret="the-new-secret") == 200
        assert await gateway.callback(of_line([text(3)]), secret="the-next-secret") == 401
        assert len(await gateway.events("MessageReceived")) == 2


async def test_the_signature_is_over_the_bytes_as_they_came(running: Running) -> None:
    said = "Où est ma commande ? 📦 </script>"
    escaped = json.dumps(of_line([text(1, body=said)])).replace("/", "\\/").encode()
    assert b"\\u00f9" in escaped
    assert b"\\ud83d\\udce6" in escaped
    assert b"<\\/script>" in escaped
    assert await running.callback(escaped) == 200
    [event] = await running.events("MessageReceived")
    assert event["data"]["opened"]["item"]["text"]["body"] == said
    # The same message in other bytes is the same event.
    assert await running.callback(of_line([text(1, body=said)])) == 200
    assert await running.events("MessageReceived") == [event]


async def test_a_lone_surrogate_and_a_nul_are_stored(running: Running) -> None:
    body = json.dumps(of_line([text(1, body="half a pair: \ud83d, and nothing: \0"), text(2)])).encode()
    assert await running.callback(body) == 200
    async with running.http.get(f"{running.url}/api/events") as answer:
        events = json.loads(await answer.read())["events"]
    assert [one["topic"] for one in events] == ["MessageReceived", "MessageReceived"]
    assert events[0]["data"]["opened"]["item"]["text"]["body"] == "half a pair: \ud83d, and nothing: \0"


async def test_every_payload_is_recorded_once_however_often_it_comes(
    running: Running, metric: Metric, callbacks: dict[str, list[bytes]]
) -> None:
    assert len(callbacks) == 89
    first: dict[str, int] = {}
    seen = 0
    for name, bodies in callbacks.items():
        for body in bodies:
            assert await running.callback(body) == 200, name
        found = len(await running.events())
        first[name], seen = found - seen, found
    events = await running.events()
    news = await metric(running, "ledgerline_webhook_items_total", outcome="appended")
    repeated = await metric(running, "ledgerline_webhook_items_total", outcome="duplicate")
    # What the metrics call news is in the log, beside the links between identifiers.
    assert news == sum(one["topic"] != "IdentityLinked" for one in events)
    assert first["cloud_out_of_order_duplicate_sequence"] > 0
    not_understood = [
        one["data"]["reason"]
        for one in events
        if one["topic"] == "UnrecognisedReceived" and one["data"]["reason"].startswith("not understood")
    ]
    assert not_understood == []

    for name, bodies in callbacks.items():
        for body in bodies:
            assert await running.callback(body) == 200, name
    assert await running.events() == events
    assert await metric(running, "ledgerline_webhook_items_total", outcome="appended") == news
    again = await metric(running, "ledgerline_webhook_items_total", outcome="duplicate")
    assert again == repeated + (news + repeated)
    posts = sum(map(len, callbacks.values()))
    assert await metric(running, "ledgerline_webhooks_total", result="stored") == 2 * posts


async def test_what_each_kind_of_callback_becomes(running: Running, payload: Payload) -> None:
    becomes = {
        "cloud_inbound_text": "MessageReceived",
        "cloud_smb_message_echo": "MessageReceived",
        "cloud_status_delivered_pmp_utility_in_csw_2025_free": "StatusReceived",
        "cloud_call_connect_user_initiated": "CallReceived",
        "cloud_user_preferences_stop": "ConsentChanged",
        "cloud_template_status_approved": "TemplateChanged",
        "cloud_phone_number_quality_update": "LineChanged",
        "cloud_account_update_disabled": "AccountNoticeReceived",
        "cloud_unknown_field": "UnrecognisedReceived",
    }
    for name, topic in becomes.items():
        before = len(await running.events(topic))
        assert await running.callback(payload(name)) == 200
        assert len(await running.events(topic)) > before, name


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"entry":[', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 5_000 + b"]" * 5_000, "too deep"),
        (b"null", "no entry"),
        (b"[]", "no entry"),
        (b'{"object":"page"}', "no entry"),
        (b'{"entry":[7]}', "no changes"),
        (b'{"entry":[{"id":"1","changes":[{"field":"messages"}]}]}', "no field or value"),
        (b'{"entry":[{"id":"1","changes":[{"field":"tomorrow","value":{"a":1}}]}]}', "unknown field"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_signed_is_kept_even_when_it_is_not_understood(
    running: Running, body: bytes, reason: str
) -> None:
    assert await running.callback(body) == 200
    assert await running.callback(body) == 200
    [event] = await running.events()
    assert (event["topic"], event["data"]["reason"]) == ("UnrecognisedReceived", reason)
    if reason in {"not JSON", "too deep"}:
        assert base64.b64decode(event["data"]["opened"]["body"]) == body


async def test_a_bad_item_does_not_cost_the_good_ones(running: Running) -> None:
    body = of_line([text(1), 7, {"type": "text"}, text(2)])  # type: ignore[list-item]
    assert await running.callback(body) == 200
    events = await running.events()
    assert len(events) == 4
    assert sum(one["data"].get("message_key") is not None for one in events) >= 2


async def test_a_thousand_updates_are_taken_and_one_more_is_not(running: Running, metric: Metric) -> None:
    assert await running.callback(of_line([text(number) for number in range(1_001)])) == 413
    assert await running.events() == []
    assert await metric(running, "ledgerline_webhooks_total", result="too_many") == 1
    assert await running.callback(of_line([text(number) for number in range(1_000)])) == 200
    assert len({one["data"]["message_key"] for one in await running.events("MessageReceived")}) == 1_000


async def test_four_megabytes_are_taken_and_more_are_not(running: Running, metric: Metric) -> None:
    empty = len(orjson.dumps(of_line([text(1, body="")])))
    most = 4 * 1024 * 1024
    assert await running.callback(of_line([text(1, body="x" * (most + 1 - empty))])) == 413
    assert await metric(running, "ledgerline_webhooks_total", result="too_large") == 1
    assert await running.events() == []
    assert await running.callback(of_line([text(1, body="x" * (most - empty))])) == 200
    assert len(await running.events("MessageReceived")) == 1


async def test_a_line_that_is_not_configured_is_recorded_too(running: Running) -> None:
    assert await running.callback(of_line([text(1, "999000111")], "999000111")) == 200
    [event] = await running.events("MessageReceived")
    assert event["data"]["line"] == "999000111"


@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_copies_at_the_same_time_in_any_order_and_batch_are_recorded_once(
    running: Running, data: st.DataObject
) -> None:
    line = str(500_000 + next(NUMBERS))
    batches = data.draw(st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=5), min_size=1, max_size=6))
    posts = [of_line([text(number, line) for number in batch], line) for batch in batches]
    assert await asyncio.gather(*map(running.callback, posts)) == [200] * len(posts)
    found = [one for one in await running.events("MessageReceived") if one["data"]["line"] == line]
    ids = Counter(one["data"]["opened"]["message_id"] for one in found)
    assert ids == {f"wamid.{line}.{number}": 1 for batch in batches for number in batch}


class Line:
    """A wire to the database that can be cut, and can fall silent."""

    def __init__(self) -> None:
        self._url = urlsplit("")
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._port = 0

    async def join(self, url: str = "") -> str:
        """Let connections through, to `url` from now on if it is given; the URL at this end."""
        self._url = urlsplit(url) if url else self._url
        self._flows.set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        user = self._url.netloc.rpartition("@")[0]
        return f"postgresql://{user}@127.0.0.1:{self._port}{self._url.path}"

    async def cut(self) -> None:
        """Every connection breaks, and none can be made."""
        if self._server is not None:
            self._server.close()
        for writer in [*self._writers]:
            writer.transport.abort()

    def silence(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self._flows.clear()

    def speak(self) -> None:
        """What was held back arrives."""
        self._flows.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        directory = dict(part.partition("=")[::2] for part in self._url.query.split("&")).get("host")
        if directory:
            path = f"{directory.replace('%2F', '/')}/.s.PGSQL.{self._url.port or 5432}"
            there = await asyncio.open_unix_connection(path)
        else:
            there = await asyncio.open_connection(self._url.hostname, self._url.port or 5432)
        self._writers |= {writer, there[1]}
        await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))
        self._writers -= {writer, there[1]}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()


class TestWithoutItsDatabase:
    @pytest.fixture
    def line(self) -> Line:
        return Line()

    @pytest.fixture
    async def database(self, database: str, line: Line) -> AsyncIterator[str]:
        """The same database, at the other end of the line."""
        yield await line.join(database)
        await line.cut()

    async def test_a_callback_that_finds_no_database_comes_again_and_is_stored(
        self, running: Running, line: Line, metric: Metric, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook, "PATIENCE", 0.5)
        assert await running.callback(of_line([text(1)])) == 200
        await line.cut()
        for _ in range(3):
            assert await running.callback(of_line([text(2)])) == 503
            assert running.headers["Retry-After"] == "2"
        await line.join()
        await until(lambda: _stored(running, of_line([text(2)])))
        ids = [one["data"]["opened"]["message_id"] for one in await running.events("MessageReceived")]
        assert sorted(ids) == [text(1)["id"], text(2)["id"]]
        assert await metric(running, "ledgerline_webhooks_total", result="not_taken") >= 3

    async def test_a_database_that_says_nothing_is_not_waited_for_longer_than_the_patience(
        self, running: Running, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook, "PATIENCE", 0.5)
        assert await running.callback(of_line([text(1)])) == 200
        line.silence()
        async with asyncio.timeout(20):
            assert await running.callback(of_line([text(1), text(2)])) == 503
        assert running.headers["Retry-After"] == "2"
        line.speak()
        await until(lambda: _stored(running, of_line([text(2)])))
        assert len(await running.events("MessageReceived")) == 2


async def test_a_database_that_takes_no_connections_is_gone_as_well(
    running: Running, cluster: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "PATIENCE", 0.5)
    name = urlsplit(database).path[1:]
    assert await running.callback(of_line([text(1)])) == 200
    admin = await asyncpg.connect(cluster)
    try:
        await admin.execute(f"alter database {name} allow_connections false")
        await admin.fetch("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        assert await running.callback(of_line([text(2)])) == 503
        assert running.headers["Retry-After"] == "2"
        status, answer = await running.text()
        assert (status, answer["error"]["code"]) == (503, 131016)
        assert running.headers["Retry-After"] == "2"
        assert (await running.get("/ready"))[0] == 503
        await admin.execute(f"alter database {name} allow_connections true")
    finally:
        await admin.close()
    await until(lambda: _stored(running, of_line([text(2)])))
    assert len(await running.events("MessageReceived")) == 2


async def _stored(gateway: Running, body: Any) -> bool:
    return await gateway.callback(body) == 200
