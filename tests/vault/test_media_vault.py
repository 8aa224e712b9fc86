"""Files that customers send: kept at once, served when WhatsApp's are gone, and gone with their person."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiohttp import FormData, web
from buckets import Bucket
from running import ANN, LINE, Running, Start, until, whatsapp

from gateway import sandbox
from gateway.vault import download, fetch
from gateway.vault.objects import LEASE, SLOW
from gateway.vault.sweep import Sweep

PICTURE = bytes(range(256)) * 1024  # four chunks
OTHER = "106000000000001"
MEDIA = "2010000000000006"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSES", (0.05, 0.05))
    monkeypatch.setattr(fetch, "LATER", 0.1)


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings of a vault on a disk, and of one in a bucket."""
    if request.param == "disk":
        return {"keep_media": True, "vault": str(tmp_path / "media")}
    bucket: Bucket = request.getfixturevalue("bucket")
    return {"keep_media": True, **bucket.settings}


async def uploaded(running: Running, data: bytes = PICTURE, kind: str = "image/png") -> str:
    """A file at WhatsApp: its id."""
    form = FormData()
    form.add_field("messaging_product", "whatsapp")
    form.add_field("type", kind)
    form.add_field("file", data, filename="x", content_type=kind)
    async with running.http.post(f"{running.url}/v26.0/{LINE}/media", data=form) as answer:
        return str((await answer.json())["id"])


async def sends(
    running: Running, media_id: str, data: bytes = PICTURE, customer: str = ANN, **about: Any
) -> None:
    """A customer sends the file."""
    known = {"id": media_id, "mime_type": "image/png", "sha256": hashlib.sha256(data).hexdigest()}
    await running.writes(customer, type="image", image=known | about)


async def told(running: Running, *topics: str, count: int = 1) -> list[dict[str, Any]]:
    """The events that say what became of files."""

    async def enough() -> list[dict[str, Any]] | None:
        found = await running.events(*(topics or ("MediaKept", "MediaLost")))
        return found if len(found) >= count else None

    found = list(await until(enough))
    await running.settled()
    return found


async def kept(running: Running, data: bytes = PICTURE, **about: Any) -> str:
    """A file that a customer sent, in the vault, and no longer at WhatsApp."""
    media_id = await uploaded(running, data)
    await sends(running, media_id, data, **about)
    [event] = await told(running)
    assert event["topic"] == "MediaKept", event
    async with running.http.delete(f"{running.url}/v26.0/{media_id}") as answer:
        assert answer.status == 200
    return media_id


async def fetched(running: Running, url: str, **headers: str) -> tuple[int, bytes, Any]:
    async with running.http.get(url, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def execute(database: str, sql: str, *values: Any) -> Any:
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetch(sql, *values)
    finally:
        await connection.close()


def stored(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


async def test_a_file_outlives_whatsapps_link(start: Start, place: dict[str, Any]) -> None:
    async with start(**place) as running:
        media_id = await kept(running)

        status, about = await running.get(f"/v26.0/{media_id}")
        assert status == 200
        digest = hashlib.sha256(PICTURE).hexdigest()
        assert about == {
            "messaging_product": "whatsapp",
            "url": about["url"],
            "mime_type": "image/png",
            "sha256": digest,
            "file_size": str(len(PICTURE)),
            "id": media_id,
        }
        status, body, headers = await fetched(running, about["url"])
        assert (status, body) == (200, PICTURE)
        assert headers["Content-Type"] == "image/png"
        assert headers["Content-Length"] == str(len(PICTURE))
        assert (headers["ETag"], headers["Accept-Ranges"]) == (f'"{digest}"', "bytes")
        assert headers["Content-Disposition"] == "attachment"
        assert headers["X-Content-Type-Options"] == "nosniff"

        status, body, _ = await fetched(running, f"{running.url}/v1/media/{media_id}")
        assert (status, body) == (200, PICTURE)


async def test_what_is_recorded_names_the_message_and_no_person(
    start: Start, tmp_path: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await kept(running, filename="invoice 4711.png")
        [event] = await running.events("MediaKept")
        [message] = await running.events("MessageReceived")
    opened = event["data"].pop("opened")
    assert event["stream"] == message["stream"]
    assert event["data"].keys() == {"line", "key", "message_key", "message_event", "media_key", "object"}
    assert event["data"]["message_event"] == message["data"]["key"]
    assert event["data"]["message_key"] == message["data"]["message_key"]
    assert opened["media_id"] == media_id
    assert opened["filename"] == "invoice 4711.png"
    assert opened["size"] == len(PICTURE)
    assert media_id not in str(event["data"])
    [file] = stored(tmp_path / "media")
    assert PICTURE[:64] not in file.read_bytes()
    told_openly = "".join(capfd.readouterr())
    for table in ("media_v1 t", "vault_objects t", "stored_events t"):
        rows = await execute(database, f"select to_jsonb(t)::text as row from ledgerline.{table}")  # noqa: S608 - three of our own
        assert rows
        told_openly += "".join(row["row"] for row in rows)
    states = await execute(database, "select state from ledgerline.stored_events")
    told_openly += "".join(row["state"].decode() for row in states)
    for secret in (media_id, "invoice 4711", hashlib.sha256(PICTURE).hexdigest()):
        assert secret not in told_openly


N = len(PICTURE)


@pytest.mark.parametrize(
    ("asked", "start_", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=65535-65536", 65_535, 65_537),
        ("bytes=100000-", 100_000, N),
        ("bytes=-5", N - 5, N),
        (f"bytes=-{N + 9}", 0, N),
        (f"bytes=10-{N + 9}", 10, N),
    ],
)
async def test_a_part_is_served(start: Start, tmp_path: Path, asked: str, start_: int, stop: int) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await kept(running)
        url = (await running.get(f"/v26.0/{media_id}"))[1]["url"]
        status, body, headers = await fetched(running, url, Range=asked)
        assert (status, body) == (206, PICTURE[start_:stop])
        assert headers["Content-Range"] == f"bytes {start_}-{stop - 1}/{N}"
        assert headers["Content-Length"] == str(stop - start_)


async def test_what_is_no_part_is_refused_or_the_whole(start: Start, tmp_path: Path) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await kept(running)
        about = (await running.get(f"/v26.0/{media_id}"))[1]
        url, etag = about["url"], f'"{about["sha256"]}"'
        for beyond in (f"bytes={N}-", f"bytes={N + 5}-{N + 9}", "bytes=-0"):
            status, body, headers = await fetched(running, url, Range=beyond)
            assert (status, headers["Content-Range"]) == (416, f"bytes */{N}")
            assert b'"error"' in body
        for ignored in ("bytes=5-4", "bytes=0-1,4-5", "items=0-1", "bytes=-", "bytes=a-b"):
            assert (await fetched(running, url, Range=ignored))[:2] == (200, PICTURE), ignored
        status, body, _ = await fetched(running, url, Range="bytes=0-1", **{"If-Range": etag})
        assert (status, body) == (206, PICTURE[:2])
        status, body, _ = await fetched(running, url, Range="bytes=0-1", **{"If-Range": '"other"'})
        assert (status, body) == (200, PICTURE)
        for tags in (etag, f'"other", W/{etag}', "*"):
            assert (await fetched(running, url, **{"If-None-Match": tags}))[:2] == (304, b"")
        async with running.http.head(url) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(N))
            assert await answer.read() == b""


@pytest.mark.parametrize("data", [b"", b"x", bytes(65_536)], ids=["empty", "one byte", "one chunk"])
async def test_small_files_are_files_too(start: Start, tmp_path: Path, data: bytes) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await kept(running, data)
        url = (await running.get(f"/v26.0/{media_id}"))[1]["url"]
        assert (await fetched(running, url))[:2] == (200, data)
        async with running.http.head(url) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(data)))


@pytest.mark.parametrize(
    ("filename", "disposition"),
    [
        ("invoice_4711.pdf", "attachment; filename=\"invoice_4711.pdf\"; filename*=UTF-8''invoice_4711.pdf"),
        ("../../etc/passwd", "attachment; filename=\"_.._etc_passwd\"; filename*=UTF-8''_.._etc_passwd"),
        ('a"\r\nSet-Cookie: b', None),
        ("Übersicht.pdf", "attachment; filename=\"_bersicht.pdf\"; filename*=UTF-8''%C3%9Cbersicht.pdf"),
        ("\u202egnp.exe", "attachment; filename=\"_gnp.exe\"; filename*=UTF-8''_gnp.exe"),
    ],
)
async def test_a_name_is_no_header_and_no_path(
    start: Start, tmp_path: Path, filename: str, disposition: str | None
) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await kept(running, filename=filename, mime_type="text/html\r\nX: y")
        url = (await running.get(f"/v26.0/{media_id}"))[1]["url"]
        _, _, headers = await fetched(running, url)
        assert headers["Content-Type"] == "application/octet-stream"
        assert "Set-Cookie" not in headers
        assert headers["Content-Disposition"].startswith("attachment")
        if disposition:
            assert headers["Content-Disposition"] == disposition


@pytest.mark.parametrize("written", [str.upper, lambda text: base64.b64encode(bytes.fromhex(text)).decode()])
async def test_a_digest_is_read_in_hex_and_base64(start: Start, tmp_path: Path, written: Any) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        await kept(running, sha256=written(hashlib.sha256(PICTURE).hexdigest()))


async def test_another_content_is_not_kept(
    start: Start, place: dict[str, Any], database: str, metric: Any
) -> None:
    async with start(**place) as running:
        media_id = await uploaded(running)
        await sends(running, media_id, sha256=hashlib.sha256(b"something else").hexdigest())
        [event] = await told(running)
        assert (event["topic"], event["data"]["reason"]) == ("MediaLost", "wrong_content")
        assert await metric(running, "ledgerline_media_total", outcome="lost", reason="wrong_content") == 1
        # What is not in the vault is WhatsApp's to answer.
        assert (await running.get(f"/v26.0/{media_id}"))[1]["file_size"] == str(len(PICTURE))
    assert await execute(database, "select * from ledgerline.vault_objects") == []


async def test_only_lines_that_want_it_keep_anything(start: Start, tmp_path: Path) -> None:
    async with start(
        vault=str(tmp_path / "media"), keep_media=True, line={LINE: {"keep_media": False}}
    ) as running:
        await sends(running, await uploaded(running))
        await running.settled()
        await asyncio.sleep(0.5)
        assert await running.events("MediaKept", "MediaLost") == []
        assert not (tmp_path / "media").exists()


async def test_a_file_that_whatsapp_has_not_is_lost(start: Start, tmp_path: Path) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        await sends(running, "9999999999999999")
        [event] = await told(running)
        assert (event["topic"], event["data"]["reason"]) == ("MediaLost", "gone")
        assert event["data"]["opened"] == {"media_id": "9999999999999999"}


async def test_a_forgotten_person_takes_the_file_along(
    start: Start, place: dict[str, Any], database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with start(**place) as running:
        media_id = await kept(running)
        url = (await running.get(f"/v26.0/{media_id}"))[1]["url"]
        assert (await fetched(running, url))[0] == 200

        await execute(database, "delete from ledgerline.person_keys")

        status, body = await running.get(f"/v26.0/{media_id}")
        assert (status, body["error"]["code"]) == (410, 100)
        assert (await fetched(running, url))[0] == 410
        status, body = await running.get(f"/v1/media/{media_id}")
        assert (status, body["errors"][0]["code"]) == (410, 1009)

        await sweep_of(running).forget()
        await sweep_of(running).tidy()
        if str(place["vault"]).startswith("s3"):
            assert request.getfixturevalue("bucket").names() == []
        else:
            assert stored(tmp_path / "media") == []
        assert (await fetched(running, url))[0] == 410
    assert await execute(database, "select * from ledgerline.vault_objects") == []


async def test_a_file_that_can_not_be_removed_stands_in_nobodys_way(
    start: Start, tmp_path: Path, database: str
) -> None:
    folder = tmp_path / "media"
    async with start(keep_media=True, vault=str(folder)) as running:
        for count in (1, 2):
            await sends(running, await uploaded(running))
            await told(running, count=count)
        await execute(database, "delete from ledgerline.person_keys")
        await sweep_of(running).forget()
        [first, _] = await execute(
            database, "select object from ledgerline.vault_objects order by until, object"
        )
        stuck = folder / first["object"].hex[:2] / first["object"].hex
        stuck.unlink()
        stuck.mkdir()  # nothing that can be unlinked
        await execute(
            database,
            "update ledgerline.vault_objects set until = until - interval '1 s' where object = $1",
            first["object"],
        )

        await sweep_of(running).tidy()
        await sweep_of(running).tidy()
        assert stored(folder) == []
        stuck.rmdir()
        await running.advance(SLOW.seconds + 1)
        await sweep_of(running).tidy()
    assert await execute(database, "select * from ledgerline.vault_objects") == []


def sweep_of(running: Running) -> Sweep:
    vault = running.gateway.vault
    assert vault is not None
    return Sweep(vault, clock=running.gateway.clock, metrics=running.gateway.metrics)


async def test_content_past_its_time_takes_the_file_along(start: Start, tmp_path: Path) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await kept(running)
        await running.gateway.log.drop_expired_keys(running.gateway.clock(), 299_912)
        assert (await running.get(f"/v26.0/{media_id}"))[0] == 410


async def test_a_person_who_is_forgotten_before_the_fetch_leaves_nothing(
    start: Start, tmp_path: Path, database: str
) -> None:
    async with start(keep_media=False) as running:
        await sends(running, await uploaded(running))
        await running.settled()
    await execute(database, "delete from ledgerline.person_keys")
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        await sends(running, await uploaded(running), customer="447700900222")
        [event] = await told(running)
        _, message = await running.events("MessageReceived")
        assert (event["topic"], event["data"]["message_event"]) == ("MediaKept", message["data"]["key"])
    [file] = stored(tmp_path / "media")
    assert file.name == UUID(event["data"]["object"]).hex
    assert len(await execute(database, "select * from ledgerline.vault_objects")) == 1


async def test_a_key_bound_to_another_line_does_not_get_it(start: Start, tmp_path: Path) -> None:
    keys = f"sandbox:{sandbox.API_KEY}:send+read+content+admin,other:other-key:send+content@{OTHER}"
    settings = {
        "lines": f"{LINE},{OTHER}",
        "api_keys": keys,
        "keep_media": True,
        "vault": str(tmp_path / "m"),
    }
    async with start(**settings) as running:
        media_id = await kept(running)
        url = (await running.get(f"/v26.0/{media_id}"))[1]["url"]
        status, _, _ = await fetched(running, url, Authorization="Bearer other-key")
        assert status == 403
        for path in (f"/v26.0/{media_id}", f"/v1/media/{media_id}"):
            status, body, _ = await fetched(running, running.url + path, Authorization="Bearer other-key")
            assert status in (400, 404), body
        assert (await running.get(f"/v26.0/{media_id}", phone_number_id=OTHER))[0] == 400
        status, _, _ = await fetched(running, url, Authorization="Bearer wrong")
        assert status == 401


async def test_a_file_in_a_group_is_its_senders(start: Start, tmp_path: Path, database: str) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await uploaded(running)
        digest = hashlib.sha256(PICTURE).hexdigest()
        image = {"id": media_id, "sha256": digest, "mime_type": "image/png"}
        await running.writes(type="image", image=image, group_id="G1")
        [event] = await told(running)
        [message] = await running.events("MessageReceived")
        assert event["stream"] == message["stream"]
        assert (await running.get(f"/v26.0/{media_id}"))[1]["sha256"] == digest
    [people] = await execute(database, "select count(*) as n from ledgerline.people where kind = 'person'")
    assert people["n"] == 1


async def test_a_file_of_nobody_is_kept_as_long_as_its_message(start: Start, tmp_path: Path) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await uploaded(running)
        message = {"id": "wamid.1", "timestamp": "1795305620", "type": "image", "image": {"id": media_id}}
        value = {"metadata": {"phone_number_id": LINE}, "messages": [message]}
        change = {"field": "messages", "value": value}
        body = {"object": "whatsapp_business_account", "entry": [{"id": sandbox.WABA, "changes": [change]}]}
        assert await running.callback(body) == 200
        [event] = await told(running)
        assert event["topic"] == "MediaKept"
        _, about = await running.get(f"/v26.0/{media_id}")
        # Nobody told a digest or a kind: they are what WhatsApp said, and what came.
        assert (about["mime_type"], about["file_size"]) == ("image/png", str(N))

        later = running.gateway.clock() + timedelta(days=91)
        await running.gateway.log.drop_expired_keys(later, None)
        assert (await running.get(f"/v26.0/{media_id}"))[0] == 410


async def test_two_gateways_fetch_a_file_once(start: Start, place: dict[str, Any]) -> None:
    downloads = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal downloads
        if request.path == "/file":
            downloads += 1
            await asyncio.sleep(0.3)
            return web.Response(body=PICTURE)
        return web.json_response({"url": f"http://{request.host}/file", "id": MEDIA})

    async with (
        whatsapp(answer) as (url, _),
        start(**place, upstream_url=url) as running,
        start(**place, upstream_url=url),
    ):
        for _ in range(5):
            await sends(running, MEDIA)
        found = await told(running, count=5)
        assert [event["topic"] for event in found] == ["MediaKept"] * 5
        assert downloads == 5


async def test_an_outage_is_waited_out(start: Start, tmp_path: Path, metric: Any) -> None:
    away = True

    async def answer(request: web.Request) -> web.StreamResponse:
        if away:
            return web.json_response({"error": {"code": 131016}}, status=503)
        if request.path == "/file":
            return web.Response(body=PICTURE)
        return web.json_response({"url": f"http://{request.host}/file", "id": MEDIA})

    async with (
        whatsapp(answer) as (url, _),
        start(keep_media=True, vault=str(tmp_path / "media"), upstream_url=url) as running,
    ):
        await sends(running, MEDIA)
        await until(lambda: metric(running, "ledgerline_media_total", outcome="put_off"))
        assert await running.events("MediaKept", "MediaLost") == []
        away = False
        [event] = await told(running)
        assert event["topic"] == "MediaKept"


async def test_what_stays_away_until_whatsapp_drops_it_is_lost(start: Start, tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"code": 131016}}, status=503)

    async with (
        whatsapp(answer) as (url, _),
        start(keep_media=True, vault=str(tmp_path / "media"), upstream_url=url) as running,
    ):
        await sends(running, MEDIA)
        await running.settled()
        await running.advance(7 * 86_400 + 1)
        [event] = await told(running)
        assert (event["topic"], event["data"]["reason"]) == ("MediaLost", "refused")


async def test_the_token_goes_to_whatsapps_hosts_only(start: Start, tmp_path: Path) -> None:
    seen: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response(body=PICTURE)

    async with whatsapp(elsewhere) as (other, _):

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.json_response({"url": f"{other}/file", "id": MEDIA})

        async with (
            whatsapp(answer) as (url, _),
            start(keep_media=True, vault=str(tmp_path / "media"), upstream_url=url) as running,
        ):
            await sends(running, MEDIA)
            [event] = await told(running)
            assert (event["topic"], event["data"]["reason"]) == ("MediaLost", "no_address")
    assert seen == []


@pytest.mark.parametrize("announced", [True, False])
async def test_what_is_too_large_is_not_kept(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    announced: bool,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setattr(download, "LIMIT", 3 * len(PICTURE))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield PICTURE

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path != "/file":
            return web.json_response({"url": f"http://{request.host}/file", "id": MEDIA})
        headers = {"Content-Length": str(4 * len(PICTURE))} if announced else {}
        return web.Response(body=pieces(), headers=headers)

    async with (
        whatsapp(answer) as (url, _),
        start(keep_media=True, vault=str(tmp_path / "media"), upstream_url=url) as running,
    ):
        await sends(running, MEDIA)
        [event] = await told(running)
        assert (event["topic"], event["data"]["reason"]) == ("MediaLost", "too_large")
    assert stored(tmp_path / "media") == []


async def test_a_damaged_file_is_no_file(start: Start, tmp_path: Path, metric: Any) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await kept(running)
        url = (await running.get(f"/v26.0/{media_id}"))[1]["url"]
        [file] = stored(tmp_path / "media")
        data = bytearray(file.read_bytes())
        data[10] ^= 1
        file.write_bytes(data)
        status, body, _ = await fetched(running, url)
        assert (status, b"131000" in body) == (500, True)
        assert await metric(running, "ledgerline_media_total", outcome="broken", reason="Damaged") == 1


async def test_a_file_that_the_store_has_lost_is_not_found(
    start: Start, place: dict[str, Any], database: str, metric: Any
) -> None:
    async with start(**place) as running:
        media_id = await kept(running)
        url = (await running.get(f"/v26.0/{media_id}"))[1]["url"]
        vault = running.gateway.vault
        assert vault is not None
        [row] = await execute(database, "select object from ledgerline.vault_objects")
        await vault.store.remove(row["object"])

        status, body, _ = await fetched(running, url)
        assert (status, json.loads(body)["error"]["code"]) == (404, 100)
        status, body = await running.get(f"/v1/media/{media_id}")
        assert (status, body["errors"][0]["code"]) == (404, 1006)
        async with running.http.head(url) as answer:
            assert (answer.status, answer.headers.get("ETag")) == (404, None)
        assert await metric(running, "ledgerline_media_total", outcome="broken", reason="Missing") == 3


@pytest.mark.parametrize("path", ["/{version}/media/{token}", "/v1/media/{media}"])
def test_every_answer_about_a_kept_file_is_described(path: str) -> None:
    description = json.loads((resources.files("gateway.api") / "openapi.json").read_text())
    described = set(description["paths"][path]["get"]["responses"])
    assert {"200", "206", "304", "401", "403", "404", "410", "416", "500", "503"} <= described


@asynccontextmanager
async def dead_writer(running: Running, database: str, folder: Path) -> AsyncIterator[UUID]:
    """What a gateway leaves that was killed while it wrote: its claim and half a file."""
    [message] = await running.events("MessageReceived")
    object_id, until_ = uuid4(), running.gateway.clock() + LEASE
    [key] = await execute(database, "select person_id, month from ledgerline.person_keys limit 1")
    await execute(
        database,
        "insert into ledgerline.vault_objects values ($1, $2, $3, $4, 'writing', $5)",
        object_id,
        UUID(message["data"]["key"]),
        *key,
        until_,
    )
    part = folder / object_id.hex[:2] / f"{object_id.hex}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half")
    yield object_id


async def test_a_dead_writers_file_is_fetched_again_and_its_half_removed(
    start: Start, tmp_path: Path, database: str
) -> None:
    folder = tmp_path / "media"
    async with start(keep_media=False) as running:
        media_id = await uploaded(running)
        await sends(running, media_id)
        await running.settled()
        async with dead_writer(running, database, folder) as left:
            pass
        upstream = running.gateway.settings.upstream_url
        async with start(keep_media=True, vault=str(folder), upstream_url=upstream) as other:
            await asyncio.sleep(0.5)
            assert await other.events("MediaKept", "MediaLost") == []  # it may only be slow
            await other.advance(LEASE.seconds + 1)
            await sweep_of(other).tidy()
            [event] = await told(other)
            assert event["data"]["object"] != str(left)
            assert {one.name for one in stored(folder)} > {f"{left.hex}.part"}
            await other.advance(SLOW.seconds + 1)
            await sweep_of(other).tidy()
            assert [one.name for one in stored(folder)] == [UUID(event["data"]["object"]).hex]


async def test_a_writer_that_died_behind_the_record_left_a_kept_file(
    start: Start, tmp_path: Path, database: str
) -> None:
    async with start(keep_media=True, vault=str(tmp_path / "media")) as running:
        media_id = await kept(running)
        await execute(
            database,
            "update ledgerline.vault_objects set state = 'writing', until = $1",
            running.gateway.clock() + LEASE,
        )
        for passed in (LEASE, SLOW, timedelta(0)):
            await running.advance(passed.seconds + 1)
            await sweep_of(running).tidy()
        url = (await running.get(f"/v26.0/{media_id}"))[1]["url"]
        assert (await fetched(running, url))[:2] == (200, PICTURE)
    assert [
        row["state"] for row in await execute(database, "select state from ledgerline.vault_objects")
    ] == ["kept"]
