"""Whatever a caller writes: no 5xx, and what is malformed is named and leaves no trace."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
import structlog
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import ANN, LINE, Running, Start, whatsapp

from domain.csv_rows import UnreadableError
from gateway import logs
from gateway.imports import consents, windows
from gateway.store.postgres import Connection

SECRETS = (ANN, "Ann Example", "On its way")
HOLE = "@@hole@@"
TO = {"to": f"+{ANN}", "messaging_product": "whatsapp"}
BUTTON = {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}
LANGUAGE = {"code": "en_GB"}
PARAMETERS = [{"type": "body", "parameters": [{"type": "text", "text": "Ann Example"}]}]
CONTENTS: dict[str, Any] = {
    "text": {"body": "On its way", "preview_url": False},
    "image": {"id": "1", "caption": "On its way"},
    "document": {"link": "https://shop.example/a.pdf", "filename": "Ann Example.pdf"},
    "location": {"latitude": 51.5, "longitude": -0.1, "name": "Ann Example"},
    "contacts": [{"name": {"formatted_name": "Ann Example"}, "phones": [{"phone": f"+{ANN}"}]}],
    "interactive": {"type": "button", "body": {"text": "On its way"}, "action": {"buttons": [BUTTON]}},
    "reaction": {"message_id": "wamid.A", "emoji": "👍"},
    "template": {"name": "order_update", "language": LANGUAGE, "components": PARAMETERS},
}
SENDS = [TO | {"type": word, word: content} for word, content in CONTENTS.items()]
TEXT = SENDS[0]
CLOUD = [
    *SENDS,
    TEXT | {"category": "utility", "biz_opaque_callback_data": "Ann Example"},
    TEXT | {"context": {"message_id": "wamid.A"}, "recipient_type": "individual"},
    TEXT | {"to": "GRP_A", "recipient_type": "group"},
    {"recipient": "GB.7700900123456789012", "type": "text", "text": {"body": "On its way"}},
    {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A", "typing_indicator": {}},
]
PRICE = {"default": "£1", "currency": {"currency_code": "GBP", "amount_1000": 1000}}
HSM = {
    "namespace": "n",
    "element_name": "order_update",
    "language": {"policy": "deterministic", "code": "en_GB"},
    "localizable_params": [{"default": "Ann Example"}, PRICE],
}
ONPREM = [
    *({**send, "ttl": 60} for send in SENDS),
    TEXT | {"preview_url": True},
    TO | {"type": "hsm", "hsm": HSM},
    TO | {"type": "image", "image": {"id": "1", "provider": {"name": "p"}, "caption": None}},
]
ODD = [
    *("null", "true", "0", "-1", "1.5", "1e400", "-1e400", "9" * 40, "9" * 5000, '""', '"Ann Example"'),
    *("[]", "{}", "[null]", '{"a":1,"a":{"b":2}}', '{"body":"Ann Example"}', '["Ann Example"]'),
    *(
        r'"\ud800"',
        r'"\udc00x"',
        r'"\u0000"',
        r'"Ann\u0000Example"',
        r'{"\ud800":"\u0000"}',
        '"\u202e\ufeff"',
    ),
    *("[" * 90 + "]" * 90, "[" * 101 + "]" * 101, "[" * 20_000 + "]" * 20_000, '{"a":' * 90 + "1" + "}" * 90),
    *('"' + "Ann Example " * 20_000 + '"', "NaN", "-Infinity", "'x'", "", '"' + "é" * 70_000 + '"'),
    *('"GB.7700900123456789012"', f'"{ANN}"', '"+44 (7700) 900-123"', '"٤٤٧٧٠٠"', '"template"', '"text"'),
]
"""What may stand in a field's place, as JSON or nearly so."""
CODES = {"cloud": {100, 131008, 131009}, "on-premises": {1008, 1009, 1025}}
PATHS = {"cloud": f"/v26.0/{LINE}/messages", "on-premises": "/v1/messages"}


@dataclass(frozen=True)
class Asked:
    """A body, and the names of the fields on the way to what is odd in it."""

    body: bytes
    names: frozenset[str]

    def __repr__(self) -> str:
        return f"Asked({self.body[:300]!r}, {set(self.names)})"


def places(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every field and element at any depth."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*way, key)
        yield from places(one, (*way, key))


def spoilt(value: Any, way: tuple[str | int, ...], *, gone: bool = False) -> Any:
    """A copy of the body with a hole at that place, or without the place."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in way[:-1]:
        inner = inner[key]
    if gone:
        del inner[way[-1]]
    else:
        inner[way[-1]] = HOLE
    return copy


def written(whole: Any, way: tuple[str | int, ...], how: str, fragment: str) -> Asked:
    """The body, spoilt in one place: the field is gone, odd, there twice, or has an odd neighbour."""
    key = json.dumps(way[-1]) if isinstance(way[-1], str) else None
    text = json.dumps(spoilt(whole, way, gone=how == "gone"))
    original = whole
    for step in way:
        original = original[step]
    filled = {"odd": fragment, "gone": ""}.get(how) or json.dumps(original)
    if key and how == "twice":
        filled = f"{filled},{key}:{fragment}"
    if key and how == "neighbour":
        filled = f'{filled},"new_2027":{fragment}'
    names = frozenset(step for step in way if isinstance(step, str))
    return Asked(text.replace(f'"{HOLE}"', filled).encode("utf-8"), names)


def bodies(wholes: list[Any]) -> st.SearchStrategy[Asked]:
    """Valid bodies with one thing wrong, or perhaps not."""
    return st.sampled_from([(whole, way) for whole in wholes for way in places(whole)]).flatmap(
        lambda at: st.builds(
            written,
            st.just(at[0]),
            st.just(at[1]),
            st.sampled_from(["gone", "odd", "odd", "odd", "twice", "neighbour"]),
            st.sampled_from(ODD) | json_values,
        )
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
).map(json.dumps)
examined = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


async def accept(request: web.Request) -> web.Response:
    """WhatsApp takes it."""
    if "status" in await request.json():
        return web.json_response({"success": True})
    return web.json_response({"messages": [{"id": "wamid.A"}]})


@pytest.fixture
async def db(database: str) -> AsyncIterator[Connection]:
    """A connection to look behind the gateway."""
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Nothing personal was logged when the test is over."""
    written = StringIO()
    logs.configure(pretty=False)
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(written))
    yield
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    assert [secret for secret in SECRETS if secret in written.getvalue()] == []


async def counted(db: Connection) -> list[int]:
    """Rows of the log, its directory and its keys."""
    tables = ("stored_events", "people", "person_aliases", "conversations", "person_keys")
    return [await db.fetchval(f"select count(*) from ledgerline.{table}") for table in tables]  # noqa: S608 - ours


async def in_the_open(running: Running, db: Connection) -> None:
    """Nothing personal stands in metrics or in any table, sealed contents apart."""
    _, metrics = await running.get("/metrics")
    tables = await db.fetch("select tablename from pg_tables where schemaname = 'ledgerline'")
    rows = [
        row
        for [table] in tables
        for row in await db.fetch(f'select * from ledgerline."{table}"')  # noqa: S608 - names out of the catalogue
    ]
    cells = "\n".join(
        cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for row in rows for cell in row
    )
    assert [secret for secret in SECRETS if secret in metrics or secret in cells] == []


def fault(face: str, answer: Any) -> tuple[int, str]:
    """Code and details of an error in a face's dialect."""
    if isinstance(answer, str):
        answer = json.loads(answer)  # half a surrogate pair, which orjson does not read
    if face == "cloud":
        return answer["error"]["code"], answer["error"]["error_data"]["details"]
    return answer["errors"][0]["code"], answer["errors"][0]["details"]


def judge(face: str, asked: Asked, status: int, answer: Any) -> None:
    """A malformed request is 400 in its dialect and names what is wrong."""
    code, details = fault(face, answer)
    assert (status, code in CODES[face]) == (400, True), (status, answer)
    named = re.match(r"What type names|The object named by type|The body|[a-z_]+", details)
    assert named, details
    shown = named[0] in asked.names or " " in named[0] or named[0] in ("to", "recipient")
    assert shown, (asked, details)


async def examine(running: Running, db: Connection, face: str, asked: Asked, posted: list[Any]) -> None:
    """Either 400 and no trace at all, or it leaves as it came."""
    posted.clear()
    before = await counted(db)
    status, answer = await running.post(PATHS[face], asked.body)
    assert status < 500, answer
    if status >= 400:
        judge(face, asked, status, answer)
        assert (await counted(db), posted) == (before, [])
        return
    [left] = posted
    ours = {"to", "biz_opaque_callback_data", "messaging_product"}
    if face == "cloud":
        given = json.loads(asked.body)
        assert {k: v for k, v in left.items() if k not in ours} == {
            k: v for k, v in given.items() if k not in ours
        }


@dataclass(repr=False)
class Examined:
    """A gateway, and what came to WhatsApp where the test stands in its place."""

    running: Running
    posted: list[Any] = field(default_factory=list)


@pytest.fixture
async def observing(start: Start, db: Connection) -> AsyncIterator[Examined]:
    """All that is well-formed leaves; nothing of anybody is found in the open in the end."""
    async with whatsapp(accept) as (url, posted), start(upstream_url=url, policy="observe") as running:
        yield Examined(running, posted)
        await running.settled()
        await in_the_open(running, db)


@pytest.mark.usefixtures("quiet")
@examined
@given(asked=bodies(CLOUD))
async def test_what_is_odd_on_the_cloud_face_is_named_or_leaves_as_it_came(
    observing: Examined, db: Connection, asked: Asked
) -> None:
    await examine(observing.running, db, "cloud", asked, observing.posted)


@pytest.mark.usefixtures("quiet")
@examined
@given(asked=bodies(ONPREM))
async def test_what_is_odd_on_the_old_face_is_named_or_leaves(
    observing: Examined, db: Connection, asked: Asked
) -> None:
    await examine(observing.running, db, "on-premises", asked, observing.posted)


@pytest.fixture
async def deciding(running: Running, db: Connection) -> AsyncIterator[Examined]:
    """Ann's window is open; the simulator is WhatsApp."""
    await running.writes()
    yield Examined(running)
    await running.settled()
    await in_the_open(running, db)


@pytest.mark.usefixtures("quiet")
@examined
@given(asked=bodies(CLOUD), face=st.sampled_from(["cloud", "on-premises"]))
async def test_what_is_odd_is_never_a_fault_of_the_gateway_or_of_the_sandbox(
    deciding: Examined, asked: Asked, face: str
) -> None:
    running = deciding.running
    status, answer = await running.post(PATHS[face], asked.body)
    assert status < 500, answer
    if status >= 400:
        code, details = fault(face, answer)
        assert code in CODES[face] or "Ledgerline-Outcome" in running.headers, (code, details)


async def raw(running: Running, head: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body for a request with exactly these header bytes (latin-1)."""
    host, port = running.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode("latin-1") + body)
    async with asyncio.timeout(20):
        told = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *([0-9]+)", told)
        answer = await reader.readexactly(int(length[1])) if length else b""
    writer.close()
    return int(told.split(b" ", 2)[1]), answer


KEYS = [
    "",
    " ",
    "\xff\xfe",
    "\x00",
    "caf\xe9",
    "k" * 255,
    "k" * 256,
    "a,b",
    '"quoted"',
    "\xed\xa0\x80",
    "\t",
    "\x7f",
]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("face", PATHS)
async def test_any_idempotency_key_is_a_key_or_is_named(running: Running, face: str) -> None:
    body = json.dumps(SENDS[-1] | {"template": {"name": "order_update", "language": LANGUAGE}}).encode()
    for key in KEYS:
        head = f"POST {PATHS[face]} HTTP/1.1\r\nAuthorization: Bearer sandbox-key\r\nIdempotency-Key: {key}"
        first, answer = await raw(running, head, body)
        assert first < 500, (key, answer)
        if first in (200, 201):
            assert (await raw(running, head, body)) == (first, answer)
        elif answer.startswith(b"{"):
            assert b"Idempotency-Key" in answer, (key, answer)
    assert {one["count"] for one in await running.accepted()} == {1}


ODD_KEYS = [
    "Bearer \xff\xfe",
    "Basic \xff",
    "Basic =",
    "Bearer",
    "\xed\xa0\x80",
    "Basic eA==",
    "Bearer " + "x" * 5000,
]


@pytest.mark.usefixtures("quiet")
async def test_an_odd_key_is_no_key(running: Running) -> None:
    for path in (*PATHS.values(), "/api/people/1/consents", f"/v26.0/{LINE}/media", "/v1/users/login"):
        for header in ODD_KEYS:
            status, answer = await raw(running, f"POST {path} HTTP/1.1\r\nAuthorization: {header}")
            assert status == 401, (path, header, answer)


UUID = "6f1c2a9e-1111-4222-8333-944455556666"
ODD_TEXTS = [
    "",
    " ",
    "\x00",
    "-1",
    "1e3",
    "9" * 40,
    "None",
    "\ud800",
    "Ann Example",
    "٤",
    "'",
    "%",
    "x" * 5000,
    "NaN",
]
QUERIES = {
    "/api/events": ("after", "limit", "topic", "line", "new_2027"),
    "/api/messages": ("reference", "state", "line", "from", "to", "after", "limit"),
    "/api/reports/counts": ("from", "to", "line", "group_by"),
    "/api/reports/observed": ("from", "to", "line", "found", "after", "limit"),
    f"/api/lines/{LINE}/conversations/{ANN}/window": ("at",),
    f"/api/lines/{LINE}/conversations/{ANN}/events": ("after", "limit"),
    f"/api/people/{ANN}/consents": ("line",),
    f"/v26.0/{LINE}": ("fields", "limit", "phone_number_id", "access_token", "\x00"),
    f"/v26.0/{LINE}/whatsapp_business_profile": ("fields", "after"),
    "/webhooks/whatsapp": ("hub.mode", "hub.challenge", "hub.verify_token"),
}
TIMES = [
    *("0001-01-01", "9999-12-31", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-30", "20261123"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-W01-1", "2026-11-23T09:30:00"),
]


def encoded(text: str) -> str:
    """Percent-encoded, a lone surrogate as the bytes that UTF-8 forbids."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@pytest.mark.usefixtures("quiet")
async def test_an_odd_parameter_is_named_or_finds_nothing(running: Running) -> None:
    await running.writes()
    for path, name in ((path, name) for path, names in QUERIES.items() for name in names):
        for text in [*ODD_TEXTS, *TIMES]:
            query = f"{encoded(name)}={encoded(text)}"
            status, answer = await raw(
                running, f"GET {path}?{query} HTTP/1.1\r\nAuthorization: Bearer sandbox-key"
            )
            assert status < 500, (path, name, text, answer)
            if status == 400 and path.startswith("/api"):
                assert json.loads(answer)["parameter"] == name


ODD_PATHS = [
    *("/api/messages/{}", "/api/messages/{}/explanation", "/api/people/{}/consents", "/v1/media/{}"),
    *(f"/api/lines/{LINE}/conversations/{{}}/window", f"/api/lines/{LINE}/conversations/{{}}/events"),
    *("/api/lines/{}/conversations/447700900123/window", "/v26.0/{}", "/v26.0/{}/message_templates"),
    *("/{}", "/v1/{}", "/v{}/1/messages"),
]


@pytest.mark.usefixtures("quiet")
async def test_an_odd_path_finds_nothing(running: Running) -> None:
    for path in ODD_PATHS:
        for text in [
            *ODD_TEXTS,
            "-" * 36,
            "{" + UUID + "}",
            UUID,
            "wamid.A/+=",
            "..",
            "%2e%2e%2f",
            "GB.\x00",
        ]:
            address = path.format(encoded(text))
            status, answer = await raw(
                running, f"GET {address} HTTP/1.1\r\nAuthorization: Bearer sandbox-key"
            )
            assert status < 500, (path, text, answer)


@pytest.mark.usefixtures("quiet")
async def test_a_stream_refuses_odd_places_to_go_on_from(running: Running) -> None:
    auth = "Authorization: Bearer sandbox-key\r\nAccept: text/event-stream"
    for text in ["", " x", "-1", "9" * 40, "1.0", "\xff", "\xd9\xa4", "1 2"]:
        status, answer = await raw(running, f"GET /api/events HTTP/1.1\r\n{auth}\r\nLast-Event-ID: {text}")
        assert (status, b"Last-Event-ID" in answer) == (400, True), (text, answer)
    for query in ("after=x", "topic=Nothing", "topic=%00", "after=-1"):
        status, answer = await raw(running, f"GET /api/events?{query} HTTP/1.1\r\n{auth}")
        assert (status, query.partition("=")[0].encode() in answer) == (400, True), (query, answer)


CONSENT = {
    "category": "marketing",
    "value": "resume",
    "at": "2026-11-01T09:30:00Z",
    "source": "Ann Example's form",
    "text": "On its way",
    "line": LINE,
}
OURS = {
    f"/api/people/{ANN}/consents": CONSENT,
    f"/api/lines/{LINE}/windows": {"contacts": [f"+{ANN}", "GB.7700900123456789012"]},
    f"/api/messages/{UUID}/settle": {"as": "accepted"},
    f"/api/messages/{'-' * 36}/settle": {"as": "accepted"},
    "/v1/contacts": {"blocking": "wait", "contacts": [f"+{ANN}"], "force_check": True},
    "/v1/users/login": {"new_password": "x"},
    f"/v26.0/{LINE}/block_users": {"messaging_product": "whatsapp", "block_users": [{"user": f"+{ANN}"}]},
    f"/v26.0/{LINE}/whatsapp_business_profile": {"about": "Ann Example", "websites": ["https://a.example"]},
    f"/v26.0/{LINE}/register": {"messaging_product": "whatsapp", "pin": "123456"},
    "/v26.0/594425479261596": {"components": [{"type": "BODY", "text": "On its way"}]},
}


@pytest.mark.usefixtures("quiet")
@examined
@given(at=st.sampled_from([*OURS]).flatmap(lambda path: st.tuples(st.just(path), bodies([OURS[path]]))))
async def test_what_is_odd_in_any_other_body_is_never_a_fault(
    deciding: Examined, at: tuple[str, Asked]
) -> None:
    path, asked = at
    status, answer = await deciding.running.post(path, asked.body)
    assert status < 500, answer
    if status == 400 and path.startswith("/api"):
        assert answer["type"].startswith("urn:ledgerline:"), answer


def files(header: str) -> st.SearchStrategy[bytes]:
    """CSV files with that header or another, and cells of all kinds."""
    cell = st.sampled_from([*ODD_TEXTS, *TIMES, LINE, ANN, "marketing", "stop", '"', '"a\nb"', "x" * 140_000])
    rows = st.lists(st.lists(cell, min_size=1, max_size=7).map(",".join), max_size=5)
    return st.tuples(st.sampled_from([header, "", "contact", header + ",x"]), rows).map(
        lambda file: "\n".join([file[0], *file[1]]).encode("utf-8", "surrogatepass")
    ) | st.binary(max_size=40)


@examined
@given(file=files(",".join(windows.COLUMNS)), other=files(",".join(consents.COLUMNS)))
def test_a_file_is_read_or_its_lines_are_named_without_their_content(
    tmp_path: Path, file: bytes, other: bytes
) -> None:
    now, path = datetime(2026, 11, 25, tzinfo=UTC), tmp_path / "file.csv"
    path.write_bytes(file)
    checked = windows.check(path, lines=[LINE], now=now)
    problems = checked.problems if isinstance(checked, windows.Wrong) else []
    path.write_bytes(other)
    try:
        problems = [*problems, *consents.check(path, lines=[LINE], now=now).problems]
    except UnreadableError as error:
        problems = [*problems, str(error)]
    assert all(re.match(r"line [0-9]+: |/", problem) for problem in problems), problems
    assert [secret for secret in SECRETS if secret in "".join(problems)] == []


@pytest.mark.parametrize(
    "path",
    [
        f"/v\u06626.0/{LINE}/messages",
        f"/v26.\u0660/{LINE}",
        f"/v26.0/{LINE.replace('1', chr(0x661))}/messages",
        f"/v1/media/{chr(0x661) * 16}",
    ],
)
async def test_a_digit_of_another_script_is_none(running: Running, path: str) -> None:
    body = {"messaging_product": "whatsapp", "to": f"+{ANN}", "type": "text", "text": {"body": "Hi"}}
    await running.writes()
    assert (await running.get(path))[0] in (403, 404)
    assert (await running.post(path, body))[0] in (403, 404, 405)
    assert await running.accepted() == []
