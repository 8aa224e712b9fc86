"""`ledgerline destinations test`: every way in which a destination can be wrong, in plain words."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from running import Start
from sinks import Sink, added, sink
from standardwebhooks import Webhook
from test_destinations_api import command

from domain.destinations import ping

SECRET = "the-app-secret"


async def tried(database: str, url: str, *words: str, **settings: str) -> tuple[int, str]:
    return await command(database, "destinations", "test", url, *words, **settings)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    return file


async def test_a_ping_is_signed_and_says_nothing(database: str, hook: Sink, secret_file: Path) -> None:
    words = ("--secret-file", str(secret_file), "--header", "X-A: b", "--header", f"X-B:@{secret_file}")
    code, said = await tried(database, hook.url, *words)

    [one] = hook.got
    assert (code, one.headers["x-a"], one.headers["x-b"]) == (0, "b", SECRET)
    assert "HTTP 200: taken" in said
    mac = hmac.new(SECRET.encode(), one.body, hashlib.sha256).hexdigest()
    assert one.headers["x-hub-signature-256"] == f"sha256={mac}"
    assert one.json["entry"][0]["changes"][0]["value"]["statuses"] == []
    assert SECRET not in said


async def test_a_destination_is_tried_by_its_name_in_its_format(
    start: Start, database: str, hook: Sink
) -> None:
    async with start() as gateway:
        made = await added(gateway, hook, format="events")
    before = len(hook.got)

    code, said = await tried(database, "crm")

    one = hook.got[-1]
    assert (code, len(hook.got)) == (0, before + 1), said
    assert Webhook(made["secret"]).verify(one.body, one.headers)["type"] == "ledgerline.Ping"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 401}, "credentials"),
        ({"status": 403}, "credentials"),
        ({"status": 404}, "nothing at this path"),
        ({"status": 410}, "disabled at once"),
        ({"status": 415}, "content type"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "nothing goes there for 7 s"),
        ({"status": 429}, "that counts as any failure"),
        ({"status": 500}, "broke"),
        ({"status": 503, "headers": {"Retry-After": "soon"}}, "no Retry-After"),
        ({"status": 504}, "stands before it"),
        ({"status": 308, "headers": {"Location": "https://there.example/"}}, "https://there.example/"),
    ],
)
async def test_what_is_not_taken_is_explained(
    database: str, hook: Sink, answer: dict[str, Any], told: str
) -> None:
    hook.verdict = lambda _: web.Response(**answer)

    code, said = await tried(database, hook.url)

    assert (code, len(hook.got)) == (1, 1)
    assert f"HTTP {answer['status']}: " in said
    assert told in said
    assert "Traceback" not in said


async def test_a_web_page_is_doubted(database: str, hook: Sink) -> None:
    hook.verdict = lambda _: web.Response(text="<h1>Log in</h1>", content_type="text/html")

    code, said = await tried(database, hook.url)

    assert code == 0
    assert "web page" in said


async def test_a_file_that_is_not_there_is_named(database: str, hook: Sink, tmp_path: Path) -> None:
    for words in (("--header", f"X-A:@{tmp_path}/none"), ("--secret-file", f"{tmp_path}/none")):
        code, said = await tried(database, hook.url, *words)
        assert (code, f"{tmp_path}/none: can't be read" in said) == (1, True), said

    assert hook.got == []


async def test_where_nobody_listens_or_may_go_is_said(database: str) -> None:
    code, said = await tried(database, "http://127.0.0.1:9/")
    assert (code, "nothing listens there" in said) == (1, True)

    code, said = await tried(database, "http://127.0.0.1:9/", DESTINATIONS_PRIVATE="10.0.0.0/8")
    assert (code, "not sent: " in said, "LEDGERLINE_DESTINATIONS_PRIVATE" in said) == (1, True, True)

    code, said = await tried(database, "https://nowhere.invalid/")
    assert (code, "resolver" in said) == (1, True)

    code, said = await tried(database, "ftp://nowhere.invalid/")
    assert (code, "url must be" in said) == (1, True)

    code, said = await tried(database, "nobody")
    assert (code, "there is no destination 'nobody'" in said) == (1, True)


@pytest.fixture
async def selfsigned(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a server whose certificate nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    server = TestServer(web.Application(), scheme="https")
    await server.start_server(ssl=context)
    try:
        yield str(server.make_url("/"))
    finally:
        await server.close()


async def test_tls_that_is_not_trusted_or_not_there_is_said(
    database: str, selfsigned: str, hook: Sink
) -> None:
    code, said = await tried(database, selfsigned)
    assert (code, "certificate is not trusted" in said) == (1, True), said

    code, said = await tried(database, hook.url.replace("http:", "https:"))
    assert (code, "speaks no TLS" in said) == (1, True), said


def test_slow_answers_and_none_in_time_are_named() -> None:
    assert ping.doubts(ping.SLOW, None)[0].startswith("slow: 2.0 s")
    assert ping.doubts(0.1, "application/json") == []
    assert "within 10 seconds" in ping.of_error("TimeoutError")
    assert "Strange" in ping.of_error("Strange")


async def test_a_slow_answer_is_named(database: str) -> None:
    async with sink(pause=ping.SLOW) as slow:
        code, said = await tried(database, slow.url)

    assert (code, "slow: " in said) == (0, True)
