"""Forms by which one reader would find what another doesn't: nothing of them reaches WhatsApp unseen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from running import LINE, Running, Start

pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionHeader")

UPLOAD = f"/v26.0/{LINE}/media"
REGISTER = f"/v26.0/{LINE}/register"
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HIDDEN = b'\n--b\r\nContent-Disposition: form-data; name="access_token"\r\n\r\nsandbox-key'


@asynccontextmanager
async def whatsapp() -> AsyncIterator[tuple[str, list[tuple[web.BaseRequest, bytes]]]]:
    """A server in WhatsApp's place that keeps what came whole."""
    kept: list[tuple[web.BaseRequest, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        kept.append((request, await request.read()))
        return web.json_response({"id": "1", "success": True})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}", kept


def part(headers: bytes, content: bytes = b"whatsapp") -> bytes:
    return b"--b\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


def named(parameters: bytes) -> bytes:
    return part(b"Content-Disposition: form-data; " + parameters)


@pytest.mark.parametrize(
    "body",
    [
        part(b'Content-Disposition: form-data; name="a"', b"x" + HIDDEN),
        part(b'Content-Disposition: form-data; name="a"', b"x" * (64 * 1024 - 3) + HIDDEN),
        named(b'name="a"; name="method"'),
        named(b"name=\"method\"; name*=utf-8''a"),
        named(b'name*0="met"; name*1="hod"'),
        named(b'filename="a.png"'),
        part(b"Content-Type: text/plain"),
        part(b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="method"'),
    ],
)
async def test_a_part_that_readers_could_differ_about_is_broken_off(start: Start, body: bytes) -> None:
    async with whatsapp() as (url, kept), start(upstream_url=url) as running:
        status, answer = await running.post(UPLOAD, body + b"--b--\r\n", headers=FORM)
    assert (status, answer["error"]["code"]) == (400, 100)
    assert kept == []


@pytest.mark.parametrize(
    "name", [b'"method"', b"method", b'" method"', b'"met\\hod"', b'"batch[0]"', b'"IDS"']
)
async def test_an_override_by_any_other_spelling_is_refused(start: Start, name: bytes) -> None:
    async with whatsapp() as (url, kept), start(upstream_url=url) as running:
        status, _ = await running.post(UPLOAD, named(b"name=" + name) + b"--b--\r\n", headers=FORM)
    assert status == 403
    assert kept == []


async def test_a_secret_by_any_other_spelling_stays_here(start: Start) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with whatsapp() as (url, kept), start(upstream_url=url) as running:
        query = "?access.token=sandbox-key&access_token[]=sandbox-key"
        body = b"%20access_token=sandbox-key&about=Hello"
        status, _ = await running.post(f"/v26.0/{LINE}/whatsapp_business_profile{query}", body, headers=form)
        assert status == 200
        upload = named(b'name="access.token"') + named(b'name="type"; filename="a;b;c.png"')
        status, _ = await running.post(UPLOAD, upload + b"--b--\r\n", headers=FORM)
        assert status == 200
    [(profile, about), (_, sent)] = kept
    assert (profile.query_string, about) == ("", b"about=Hello")
    assert b"access" not in sent
    assert b'name="type"; filename="a;b;c.png"' in sent


async def test_whatsapp_is_told_the_one_boundary_that_was_read(start: Start) -> None:
    odd = {"Content-Type": "multipart/form-data; xboundary=c; boundary=b"}
    async with whatsapp() as (url, kept), start(upstream_url=url) as running:
        status, _ = await running.post(UPLOAD, named(b'name="type"') + b"--b--\r\n", headers=odd)
        assert status == 200
    [(request, _)] = kept
    assert request.headers["Content-Type"] == 'multipart/form-data; boundary="b"'


async def test_a_pin_in_the_query_is_not_recorded(running: Running) -> None:
    await running.post(f"{REGISTER}?pin=271828", {"messaging_product": "whatsapp"})
    begun = (await running.events("AccountNoticeReceived"))[0]
    assert begun["data"]["field"] == "register"
    assert begun["data"]["opened"]["path"] == REGISTER
    assert "271828" not in str(await running.events())
