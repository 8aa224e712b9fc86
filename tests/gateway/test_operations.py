"""What operators rely on: health, metrics, a shutdown that loses nothing, and keys that do not stay."""

from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import urlsplit

import asyncpg
import orjson
import pytest
from running import ANN, LINE, Running, Start, until

from gateway import sandbox
from gateway.settings.loading import load

OTHER_LINE = "106000000000001"
FULL = f"sandbox:{sandbox.API_KEY}:send+read+content+admin"
METRICS = {
    "ledgerline_webhooks_total",
    "ledgerline_webhook_items_total",
    "ledgerline_sends_total",
    "ledgerline_sends_observed_total",
    "ledgerline_windows_disputed_total",
    "ledgerline_upstream_seconds_count",
    "ledgerline_request_seconds_count",
    "ledgerline_log_head",
    "ledgerline_projection_lag",
    "ledgerline_projection_dead_letters",
    "ledgerline_writer_waiting",
    "ledgerline_line_silent",
    "ledgerline_line_last_webhook_seconds",
}
READS = [
    "/api/lines",
    f"/api/lines/{LINE}/conversations/{ANN}/window",
    f"/api/lines/{LINE}/conversations/{ANN}/events",
    "/api/events",
    "/api/messages/wamid.x",
    "/api/messages",
    "/api/reports/counts",
    "/api/reports/observed",
    "/api/templates",
]


async def test_a_running_gateway_is_live_and_ready_without_a_key(running: Running) -> None:
    await running.writes()
    await running.settled()
    del running.http.headers["Authorization"]
    assert await running.get("/live") == (200, {"live": True})
    status, body = await running.get("/ready")
    assert (status, body["ready"], body["database"], body["head"]) == (200, True, "answers", 1)
    assert {name: one["lag"] for name, one in body["projections"].items()} == dict.fromkeys(
        body["projections"], 0
    )
    assert {"window_v2", "messages_v2", "counts_v2", "templates_v2"} <= body["projections"].keys()


async def test_without_its_database_a_gateway_is_live_but_not_ready_and_sends_nothing(
    running: Running, database: str, cluster: str
) -> None:
    await running.writes()
    name = urlsplit(database).path.removeprefix("/")
    admin = await asyncpg.connect(cluster)
    try:
        await admin.execute(f"alter database {name} allow_connections false")
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        assert (await running.get("/live"))[0] == 200
        status, body = await running.get("/ready")
        assert (status, body["ready"]) == (503, False)
        assert (await running.get("/metrics"))[0] == 200

        status, body = await running.text()
        assert (status, body["error"]["code"]) == (503, 131016)
        assert int(running.headers["Retry-After"]) > 0
        status, body = await running.get("/api/events")
        assert (status, body["type"]) == (503, "urn:ledgerline:not-taken")
        assert await running.accepted() == []
    finally:
        await admin.execute(f"alter database {name} allow_connections true")
        await admin.close()

    async def is_ready() -> bool:
        return (await running.get("/ready"))[0] == 200

    await until(is_ready)
    assert (await running.text())[0] == 200


async def test_metrics_have_the_documented_names_and_no_contact(running: Running) -> None:
    wamid = await running.writes()
    assert (await running.text())[0] == 200
    await running.get(f"/api/lines/{LINE}/conversations/{ANN}/window")
    await running.get(f"/api/messages/{wamid}")
    await running.get(f"/{ANN}")
    assert await running.callback(b"{}", secret="another") == 401
    await running.settled()

    async with running.http.get(f"{running.url}/metrics") as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"].startswith("text/plain")
    names = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines()}
    assert METRICS - names == set()
    assert 'ledgerline_sends_total{face="cloud",kind="free_form",outcome="accepted"} 1.0' in text
    assert 'ledgerline_webhooks_total{result="unsigned"} 1.0' in text
    assert 'route="/api/lines/{line}/conversations/{contact}/window"' in text
    assert [one for one in (ANN, wamid, "wamid.") if one in text] == []


async def test_a_send_in_flight_when_the_gateway_stops_gets_its_outcome_recorded(start: Start) -> None:
    async with start() as running:
        await running.writes()
        await running.post("/sandbox/faults", {"kind": "delay", "seconds": 0.5})
        sending = asyncio.create_task(running.text())

        async def has_left() -> bool:
            return bool(await running.events("SendDispatched"))

        await until(has_left)
        assert await running.events("SendAccepted") == []
    # Its client closed before the gateway stopped: nobody waits for the answer any more.
    await asyncio.gather(sending, return_exceptions=True)

    async with start() as again:
        [dispatched] = await again.events("SendDispatched")
        [accepted] = await again.events("SendAccepted")
        assert accepted["data"]["send_id"] == dispatched["data"]["send_id"]
        _, life = await again.get(f"/api/messages/{dispatched['data']['send_id']}")
        assert life["message_id"].startswith("wamid.")


async def test_keys_are_kept_as_hashes_only() -> None:
    digest = hashlib.sha256(b"hashed-secret").hexdigest()
    settings = load(
        **dict(sandbox.SETTINGS) | {"api_keys": ("plain:plain-secret:read", f"hashed:sha256:{digest}:read")}
    )
    assert [key.digest for key in settings.api_keys] == [
        hashlib.sha256(b"plain-secret").digest(),
        bytes.fromhex(digest),
    ]
    assert "plain-secret" not in f"{settings!r} {vars(settings)} {settings.api_keys!r}"


async def test_a_key_given_as_its_hash_opens_and_the_hash_itself_does_not(start: Start) -> None:
    digest = hashlib.sha256(b"hashed-secret").hexdigest()
    async with start(api_keys=(f"hashed:sha256:{digest}:read",)) as running:
        del running.http.headers["Authorization"]
        for secret, expected in (("hashed-secret", 200), (digest, 401), (f"sha256:{digest}", 401)):
            bearer = {"Authorization": f"Bearer {secret}"}
            async with running.http.get(f"{running.url}/api/events", headers=bearer) as answer:
                assert answer.status == expected
            assert (await running.get("/api/events", access_token=secret))[0] == expected


async def test_what_is_not_served_is_said_with_what_is(running: Running) -> None:
    status, answer = await running.get("/api/line")
    assert (status, answer["type"]) == (404, "urn:ledgerline:not-found")
    assert answer["detail"] == "GET /api/line is not served by this gateway; GET /openapi.json lists what is."
    async with running.http.put(f"{running.url}/api/lines") as refused:
        assert refused.status == 405
        detail = (await refused.json())["detail"]
    assert detail == "PUT /api/lines is not served by this gateway; GET, HEAD is."


@pytest.mark.parametrize("path", READS)
async def test_every_read_wants_a_known_key_with_the_scope_to_read(start: Start, path: str) -> None:
    async with start(api_keys=(FULL, "sender:sender-key:send+content+admin")) as running:
        del running.http.headers["Authorization"]
        for token, expected, kind in (
            ("", 401, "unauthorized"),
            ("another", 401, "unauthorized"),
            ("sender-key", 403, "forbidden"),
        ):
            status, body = await running.get(path, access_token=token)
            assert (status, body["type"]) == (expected, f"urn:ledgerline:{kind}")
            assert running.headers["Content-Type"].startswith("application/problem+json")
        assert (await running.get(path, access_token=sandbox.API_KEY))[0] in (200, 404)


async def test_many_windows_and_sends_want_their_scopes_and_lines(start: Start) -> None:
    keys = ("reader:reader-key:read", "sender:sender-key:send", f"bound:bound-key:read+send@{OTHER_LINE}")
    async with start(api_keys=keys, lines=(LINE, OTHER_LINE)) as running:
        del running.http.headers["Authorization"]
        windows = f"/api/lines/{LINE}/windows"
        for token, status in (("reader-key", 200), ("sender-key", 403), ("bound-key", 403), ("x", 401)):
            assert (await running.post(f"{windows}?access_token={token}", {"contacts": []}))[0] == status

        text = {"messaging_product": "whatsapp", "to": ANN, "type": "text", "text": {"body": "hi"}}
        cloud = f"/v26.0/{LINE}/messages"
        codes = {
            "reader-key": (403, 10),
            "bound-key": (403, 10),
            "x": (401, 190),
            "sender-key": (400, 131047),
        }
        for token, expected in codes.items():
            status, body = await running.post(f"{cloud}?access_token={token}", text)
            assert (status, body["error"]["code"]) == expected
        for token, expected in {"reader-key": (403, 1005), "x": (401, 1005), "bound-key": (400, 470)}.items():
            status, body = await running.post(f"/v1/messages?access_token={token}", text)
            assert (status, body["errors"][0]["code"]) == expected
        assert orjson.dumps(await running.accepted()) == b"[]"
