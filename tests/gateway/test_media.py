"""Media on both faces: streamed up and down, at addresses of ours, with the account's token."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import BytesPayload, FormData, web
from aiohttp.test_utils import TestServer, unused_port
from running import LINE, Running, Start
from yarl import URL

from gateway import sandbox
from gateway.passing import media

OTHER = "106000000000001"
UPLOAD = f"/v26.0/{LINE}/media"
FILE = bytes(range(256)) * 4096  # 1 MB
MEDIA = "1234567890123456"


@asynccontextmanager
async def whatsapp(*routes: web.RouteDef) -> AsyncIterator[str]:
    """A server in WhatsApp's place: its URL."""
    app = web.Application(client_max_size=2**30)
    app.add_routes(routes)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


def form(**more: str) -> FormData:
    """An upload as the Cloud API wants it."""
    data = FormData()
    data.add_field("messaging_product", "whatsapp")
    for name, value in more.items():
        data.add_field(name, value)
    data.add_field("file", FILE, filename="A-1042.png", content_type="image/png")
    data.add_field("type", "image/png")
    return data


async def uploaded(running: Running, data: Any) -> str:
    """Upload; the media id."""
    async with running.http.post(running.url + UPLOAD, data=data) as answer:
        body = await answer.json()
        assert answer.status == 200, body
        return str(body["id"])


async def test_a_file_goes_up_and_down_and_away(running: Running) -> None:
    media_id = await uploaded(running, form())

    _, about = await running.get(f"/v26.0/{media_id}")
    assert about["url"].startswith(f"{running.url}/v26.0/media/")
    assert (about["id"], about["mime_type"]) == (media_id, "image/png")
    assert about["sha256"] == hashlib.sha256(FILE).hexdigest()
    async with running.http.get(about["url"]) as answer:
        assert (answer.status, answer.content_type, answer.content_length) == (200, "image/png", len(FILE))
        assert await answer.read() == FILE

    async with running.http.delete(f"{running.url}/v26.0/{media_id}") as answer:
        assert (answer.status, await answer.json()) == (200, {"success": True})
    assert (await running.get(f"/v26.0/{media_id}"))[0] == 400
    async with running.http.get(about["url"]) as answer:
        assert answer.status == 400

    events = [event["data"] for event in await running.events()]
    assert [(event["field"], event["event"], event.get("http_status")) for event in events] == [
        ("media", "POST", None),
        ("media", "POST", 200),
        ("media", "DELETE", None),
        ("media", "DELETE", 200),
    ]


@pytest.mark.parametrize("chunked", [False, True])
async def test_secrets_are_taken_out_of_a_form_and_its_length_stays(start: Start, chunked: bool) -> None:  # noqa: FBT001 - a case
    taken: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        fields = dict(await request.post())
        file = fields.pop("file")
        assert isinstance(file, web.FileField)
        assert (file.filename, file.content_type, file.file.read()) == ("A-1042.png", "image/png", FILE)
        taken.append((request.content_length, request.headers.get("Transfer-Encoding"), fields))
        return web.json_response({"id": MEDIA})

    data = form(access_token=sandbox.API_KEY, appsecret_proof="f00d")()
    length = data.size
    headers = {"Content-Type": data.content_type}

    async def pieces() -> AsyncIterator[bytes]:
        yield await data.as_bytes()

    if not chunked:
        headers["Content-Length"] = str(length)
    async with (
        whatsapp(web.post(UPLOAD, take)) as url,
        start(upstream_url=url) as running,
        running.http.post(running.url + UPLOAD, data=pieces(), headers=headers) as answer,
    ):
        assert answer.status == 200
    [(arrived, encoding, fields)] = taken
    assert (arrived, encoding) == ((None, "chunked") if chunked else (length, None))
    assert fields == {"messaging_product": "whatsapp", "type": "image/png"}


@pytest.mark.parametrize("path", [UPLOAD, "/v1/media"])
async def test_what_came_compressed_leaves_whole(running: Running, path: str) -> None:
    data = form()() if path == UPLOAD else BytesPayload(FILE[:4096], content_type="image/png")
    headers = {"Content-Type": data.content_type, "Content-Encoding": "gzip"}
    body = BytesIO(gzip.compress(await data.as_bytes()))
    async with running.http.post(running.url + path, data=body, headers=headers) as answer:
        said = await answer.json()
    assert answer.status == 200, said
    media_id = said["id"] if path == UPLOAD else said["media"][0]["id"]
    _, about = await running.get(f"/v26.0/{media_id}")
    assert about["file_size"] == str(len(FILE) if path == UPLOAD else 4096)


async def test_a_head_of_an_object_has_no_body(running: Running) -> None:
    media_id = await uploaded(running, form())
    async with running.http.head(f"{running.url}/v26.0/{media_id}") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "application/json", b"")


async def test_an_upload_is_on_its_way_before_it_is_complete(start: Start) -> None:
    begun = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        reader = await request.multipart()
        part = await reader.next()
        assert isinstance(part, aiohttp.BodyPartReader)
        size = len(await part.read_chunk())
        begun.set()
        while chunk := await part.read_chunk():
            size += len(chunk)
        return web.json_response({"id": str(size)})

    async def slowly() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + FILE
        await begun.wait()
        yield FILE + b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with (
        whatsapp(web.post(UPLOAD, take)) as url,
        start(upstream_url=url) as running,
        running.http.post(running.url + UPLOAD, data=slowly(), headers=headers) as answer,
    ):
        assert await answer.json() == {"id": str(2 * len(FILE))}


@pytest.mark.parametrize("path", [UPLOAD, "/v1/media"])
@pytest.mark.parametrize("announced", [True, False])
async def test_more_than_100_mb_are_too_large(start: Start, path: str, announced: bool) -> None:  # noqa: FBT001 - a case
    megabyte = b" " * 1024 * 1024
    whole: list[bool] = []

    async def take(request: web.Request) -> web.Response:
        await request.read()
        whole.append(True)
        return web.json_response({"id": MEDIA})

    async def endless() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(102):
            yield megabyte
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    if announced:
        headers["Content-Length"] = str(102 * len(megabyte))
    async with whatsapp(web.post(UPLOAD, take)) as url, start(upstream_url=url) as running:
        async with running.http.post(running.url + path, data=endless(), headers=headers) as answer:
            body = await answer.json()
        assert answer.status == 413, body
        assert "error" in body if path == UPLOAD else body["errors"][0]["code"] == 1025
        left = [] if announced else ["media"]
        assert [event["data"]["field"] for event in await running.events()] == left
    assert whole == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no form", 400),
        (b'--b\r\nContent-Disposition: form-data; name="method"\r\n\r\ndelete\r\n--b--\r\n', 403),
        (b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n", 400),
    ],
)
async def test_a_form_that_cannot_be_judged_is_broken_off(running: Running, body: bytes, status: int) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answered, answer = await running.post(UPLOAD, body, headers=headers)
    assert (answered, answer["error"]["code"]) == (status, {400: 100, 403: 10}[status])
    assert running.simulator.accepted == {}


async def test_range_goes_along(start: Start) -> None:
    async def file(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {sandbox.ACCESS_TOKEN}"
        part = FILE[request.http_range]
        headers = {"Content-Range": f"bytes 5-9/{len(FILE)}", "Accept-Ranges": "bytes"}
        return web.Response(body=part, status=206, headers=headers, content_type="image/png")

    async with whatsapp(web.get("/media/1", file)) as url, start(upstream_url=url) as running:
        address = media.sealed(running.gateway.log.ids, f"{url}/media/1")
        path = f"{running.url}/v26.0/media/{address}"
        async with running.http.get(path, headers={"Range": "bytes=5-9"}) as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes 5-9/{len(FILE)}")
            assert await answer.read() == FILE[5:10]


async def test_an_address_needs_a_key_and_our_signature(start: Start) -> None:
    keys = ("send:send-key:send", "read:read-key:read", "content:content-key:content")
    async with start(api_keys=keys) as running:
        del running.http.headers["Authorization"]
        headers = {"Authorization": "Bearer send-key"}
        async with running.http.post(running.url + UPLOAD, data=form(), headers=headers) as answer:
            media_id = (await answer.json())["id"]
        _, about = await running.get(f"/v26.0/{media_id}", access_token="content-key")
        path = URL(about["url"]).path
        for key, status in (("send-key", 200), ("content-key", 200), ("read-key", 403), ("x", 401)):
            async with running.http.get(f"{running.url}{path}?access_token={key}") as answer:
                assert answer.status == status
        changed = path[:-1] + ("0" if path[-1] != "0" else "1")
        status, body = await running.get(changed, access_token="send-key")
        assert (status, body["error"]["code"]) == (404, 100)
        assert (await running.get("/v26.0/media/x", access_token="send-key"))[0] == 403


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&ext=2&hash=a%2Fb", True),
        ("https://scontent.xx.fbcdn.net/a", True),
        ("http://lookaside.fbsbx.com/a", False),
        ("https://fbsbx.com.example/a", False),
        ("https://evilfbsbx.com/a", False),
        ("https://a.example/x.fbsbx.com", False),
        ("https://x@a.example/.fbsbx.com", False),
        ("https://graph.facebook.com/v26.0/1/messages?method=post", False),
        ("https://a:b@lookaside.fbsbx.com/a", False),
        ("//lookaside.fbsbx.com/a", False),
        ("/a", False),
        ("http://[", False),
    ],
)
async def test_the_token_goes_where_whatsapp_keeps_media_only(start: Start, url: str, kept: bool) -> None:  # noqa: FBT001 - expected
    async def about(_: web.Request) -> web.Response:
        return web.json_response({"id": MEDIA, "url": url})

    async with (
        whatsapp(web.get(f"/v26.0/{MEDIA}", about)) as upstream,
        start(upstream_url=upstream) as running,
    ):
        _, answer = await running.get(f"/v26.0/{MEDIA}")
        assert (answer["url"] != url) is kept
        if kept:
            token = answer["url"].rpartition("/")[2]
            assert media.opened(running.gateway.log.ids, token) == url
        else:
            address = media.sealed(running.gateway.log.ids, url)
            assert (await running.get(f"/v26.0/media/{address}"))[0] == 404


async def test_graph_itself_is_no_place_for_media(start: Start) -> None:
    async with start(upstream_url="https://graph.facebook.com") as running:
        assert not running.gateway.upstream.keeps_media("https://graph.facebook.com/v26.0/1")


async def test_an_address_is_https_where_a_proxy_says_so(running: Running) -> None:
    media_id = await uploaded(running, form())
    headers = {"X-Forwarded-Proto": "https", "Host": "gateway.example"}
    async with running.http.get(f"{running.url}/v26.0/{media_id}", headers=headers) as answer:
        about = await answer.json()
    assert about["url"].startswith("https://gateway.example/v26.0/media/")


async def test_a_file_of_the_old_api_goes_up_and_down_and_away(running: Running) -> None:
    headers = {"Content-Type": "image/png"}
    async with running.http.post(f"{running.url}/v1/media", data=FILE, headers=headers) as answer:
        body = await answer.json()
    assert (answer.status, body["meta"]["api_status"]) == (200, "stable")
    [file] = body["media"]

    path = f"{running.url}/v1/media/{file['id']}"
    async with running.http.get(path) as answer:
        assert (answer.status, answer.content_type, answer.content_length) == (200, "image/png", len(FILE))
        assert await answer.read() == FILE
    async with running.http.delete(path) as answer:
        assert answer.status == 200
    async with running.http.get(path) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["code"]) == (404, 1006)
    async with running.http.delete(path) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["code"]) == (404, 1006)
    found = [(event["data"]["event"], event["data"].get("http_status")) for event in await running.events()]
    assert found == [
        *(("POST", None), ("POST", 200)),
        *(("DELETE", None), ("DELETE", 200)),
    ]


async def test_only_media_is_fetched_and_deleted_by_the_old_api(running: Running) -> None:
    for method in ("GET", "DELETE"):
        async with running.http.request(method, f"{running.url}/v1/media/{sandbox.WABA}") as answer:
            assert (answer.status, (await answer.json())["errors"][0]["code"]) == (404, 1006)
    assert await running.events() == []


async def test_the_old_api_wants_scopes_and_one_line(start: Start) -> None:
    keys = ("send:send-key:send", "read:read-key:read", f"bound:bound-key:send@{LINE}")
    async with start(api_keys=keys, lines=(LINE, OTHER)) as running:
        del running.http.headers["Authorization"]
        for key, expected in (
            ("bound-key", (200, None)),
            ("send-key", (400, 1009)),
            ("read-key", (403, 1005)),
            ("x", (401, 1005)),
        ):
            status, body = await running.post(f"/v1/media?access_token={key}", FILE)
            assert (status, body["errors"][0]["code"] if "errors" in body else None) == expected


async def test_nobody_at_the_other_end_of_the_old_api(start: Start) -> None:
    async with start(upstream_url=f"http://127.0.0.1:{unused_port()}") as running:
        status, body = await running.post("/v1/media", FILE)
        assert (status, body["errors"][0]["code"]) == (503, 1016)
        assert (await running.get(f"/v1/media/{MEDIA}"))[0] == 503


async def test_a_lost_answer_of_the_old_api(start: Start) -> None:
    async def drop(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with whatsapp(web.post(UPLOAD, drop)) as url, start(upstream_url=url) as running:
        status, body = await running.post("/v1/media", FILE)
        assert (status, body["errors"][0]["code"]) == (500, 1000)
        assert "may have been made" in body["errors"][0]["details"]
        assert "Retry-After" not in running.headers


async def test_an_error_of_whatsapp_reaches_the_old_api_in_its_dialect(start: Start) -> None:
    async def refuse(request: web.Request) -> web.Response:
        await request.read()
        error = {"code": 131053, "message": "(#131053) Media upload error"}
        return web.json_response({"error": error}, status=400)

    async with whatsapp(web.post(UPLOAD, refuse)) as url, start(upstream_url=url) as running:
        status, body = await running.post("/v1/media", FILE)
        assert status == 500
        assert body["errors"][0]["details"] == "(#131053) Media upload error"
