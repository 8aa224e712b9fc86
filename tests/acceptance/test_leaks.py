"""Nothing personal stands anywhere in the open: every table, every log line, every metric is searched."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from aiohttp import FormData, encode_basic_auth
from aiohttp.multipart import parse_content_disposition
from running import ANN, LINE, Running

from gateway import logs
from gateway.sandbox import API_KEY
from gateway.store.postgres import Connection

PAYLOADS = Path(__file__).parent.parent / "payloads"
HEADERS = {"Idempotency-Key": "order-A-1042-Ann"}
SECRETS = (
    "447700900",
    "15550109999",
    "7700900123456789012",
    "1112223334445556667",
    "5550001112223334",
    "Ann Example",
    "Bob Example",
    "where is my order",
    "Where is my order",
    "On its way",
    "wamid.",
    "wacid.",
    "GRP_Y2FwaV9ncm91cDpleGFtcGxl",
    "order-A-1042-Ann",
    "crm:4711",
    "ARAexampleClid123",
    "sandbox-key",
    "sandbox-app-secret",
    "sandbox-access-token",
)
# What the log holds in the open by design: words of WhatsApp's own, types, times and our own line.
PUBLIC = {
    *(
        "type",
        "status",
        "timestamp",
        "category",
        "event",
        "direction",
        "subtype",
        "mime_type",
        "code",
        "pricing_model",
    ),
    *("expiration_timestamp", "start_time", "end_time", "phone_number_id", "display_phone_number"),
}
PARTS = ("contacts", "messages", "statuses", "calls", "message_echoes", "history", "user_preferences")


def bodies() -> list[Any]:
    """Every callback of the reference."""
    read = [json.loads(path.read_text()) for path in sorted(PAYLOADS.glob("cloud_*.json"))]
    found = [one for body in read if isinstance(body, dict) for one in body.get("posts", [body])]
    return [one for one in found if "entry" in one]


def personal() -> set[str]:
    """All that stands in those callbacks about people; what is shorter may stand anywhere by chance."""
    values = [change["value"] for body in bodies() for entry in body["entry"] for change in entry["changes"]]
    return {text for value in values for part in PARTS for text in _texts(value.get(part)) if len(text) > 6}


def _texts(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name)
    elif isinstance(value, str) and name not in PUBLIC:
        yield value


_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")


def found_in(text: str, secrets: Iterable[str] = SECRETS) -> set[str]:
    """Which of the secrets a text holds, plain or in base64."""
    # Decoded bytes stand as latin-1, whatever they were; one text, since the secrets are many.
    whole = "\n".join([text, *(_decoded(match) for match in _BASE64.findall(text))])
    forms = {secret: (secret, secret.encode().decode("latin-1")) for secret in secrets}
    return {secret for secret, written in forms.items() if any(form in whole for form in written)}


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")
    except binascii.Error:
        return ""


async def dumped(db: Connection) -> dict[str, str]:
    """Every table of the database as text, bytes as they are."""
    tables = await db.fetch(
        "select schemaname, tablename from pg_tables"
        " where schemaname not in ('pg_catalog', 'information_schema')"
    )
    texts = {}
    for schema, table in tables:
        rows = await db.fetch(f'select * from "{schema}"."{table}"')  # noqa: S608 - names out of the catalogue
        texts[table] = "\n".join(_plain(value) for row in rows for value in row)
    return texts


def _plain(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


async def others(running: Running) -> None:
    """Other Graph paths: changes that name people, and files."""
    block = {"messaging_product": "whatsapp", "block_users": [{"user": f"+{ANN}"}]}
    await running.post(f"/v26.0/{LINE}/block_users", block)
    await running.post(f"/v26.0/{LINE}/whatsapp_business_profile", {"about": "Ann Example"})
    await running.post("/v1/media", b"Where is my order?", headers={"Content-Type": "text/plain"})
    form = FormData({"messaging_product": "whatsapp", "type": "text/plain"})
    form.add_field("file", b"Where is my order?", filename="Ann Example.txt", content_type="text/plain")
    async with running.http.post(f"{running.url}/v26.0/{LINE}/media", data=form) as upload:
        media_id = (await upload.json())["id"]
    _, about = await running.get(f"/v26.0/{media_id}")
    async with running.http.get(about["url"]) as fetched:
        assert await fetched.read() == b"Where is my order?"
    async with running.http.delete(f"{running.url}/v26.0/{media_id}") as deleted:
        assert deleted.status == 200


async def traffic(running: Running) -> None:
    """All that the gateway is made for, and much that goes wrong."""
    for body in bodies():
        assert await running.callback(body) == 200
    assert await running.callback(b'{"where is my order": 447700900123') == 200
    await running.text()
    await running.writes()
    text = {"to": f"+{ANN}", "type": "text", "text": {"body": "On its way."}}
    await running.send(text | {"biz_opaque_callback_data": "crm:4711"}, headers=HEADERS)
    assert await running.callback(b"Where is my order?", secret="another") == 401
    await running.send(
        {"recipient": "GB.7700900123456789012", "type": "text", "text": {"body": "On its way."}}
    )
    await running.send({"to": "GB.7700900123456789012", "type": "text", "text": {"body": "On its way."}})
    for fault in ({"kind": "error", "code": 131026}, {"kind": "drop_after_accept"}, {"kind": "sync_131047"}):
        await running.post("/sandbox/faults", fault)
        await running.text()
    login = {"Authorization": encode_basic_auth("Ann Example", API_KEY)}
    await running.post("/v1/users/login", b"", headers=login)
    await running.post("/v1/contacts", {"contacts": [f"+{ANN}", "Ann Example"]})
    await running.post("/v1/messages", text)
    hsm = {"element_name": "Bob Example", "language": {}, "localizable_params": ["where is my order"]}
    await running.post("/v1/messages", {"to": ANN, "type": "hsm", "hsm": hsm})
    async with running.http.put(f"{running.url}/v1/messages/wamid.A", json={"status": "read"}) as read:
        assert read.status == 200
    await others(running)
    await running.get(f"/api/lines/{LINE}/conversations/{ANN}/window")
    await running.get("/api/messages/wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgU0000")
    await running.get("/api/messages", reference="crm:4711")
    await running.settled()


@pytest.fixture
def logs_end() -> Iterator[None]:
    """After the test nobody writes to the stream that it captured."""
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)  # noqa: FBT003 - the module's own form
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


@pytest.mark.usefixtures("logs_end")
async def test_nothing_of_the_traffic_is_found_in_tables_logs_and_metrics(
    running: Running, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(pretty=False)
    await traffic(running)
    async with running.http.get(f"{running.url}/metrics") as answer:
        metrics = await answer.text()
    db = await asyncpg.connect(database)
    try:
        tables = await dumped(db)
    finally:
        await db.close()
    out, err = capfd.readouterr()

    assert "ledgerline_webhook_items_total" in metrics
    assert "callback not stored" in err
    assert tables["stored_events"].count("MessageReceived") > 30
    searched = {**tables, "metrics": metrics, "log": out + err}
    secrets = {*SECRETS, *personal()}
    leaks = {name: found_in(text, secrets) for name, text in searched.items()}
    assert {name: leak for name, leak in leaks.items() if leak} == {}


@pytest.mark.usefixtures("logs_end")
@pytest.mark.filterwarnings("default")
def test_the_text_of_a_warning_is_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(pretty=False)
    parse_content_disposition('form-data; name="file"; filename="Ann Example";')
    out, err = capfd.readouterr()
    assert "py.warnings" in err
    assert found_in(out + err) == set()


def test_the_search_finds_what_is_planted() -> None:
    assert found_in("to 447700900123") == {"447700900"}
    assert found_in(base64.b64encode(b"from Ann Example, hello").decode()) == {"Ann Example"}
    assert found_in(f'{{"sealed":"{base64.b64encode(b"xx wamid.AAAA yy").decode()}"}}') == {"wamid."}
    umlauts = base64.b64encode("Grüße aus Köln".encode()).decode()
    assert found_in(umlauts, ["Grüße aus Köln"]) == {"Grüße aus Köln"}
    assert {"447700900123", "Ann Example", "Hi, where is my order A-1042?", "gw:job:7f31"} <= personal()
