"""Other Graph paths: what is passed on, for whom, what of it leaves, and what the log keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from running import ANN, LINE, Running, Start

from gateway import sandbox
from gateway.sandbox import WABA

OTHER = "106000000000001"
TEMPLATE = "594425479261596"
PROFILE = f"/v26.0/{LINE}/whatsapp_business_profile"
TEMPLATES = f"/v26.0/{WABA}/message_templates"
SUCCESS = {"success": True, "components": []}
"""Answers a change, and the look at the template that is to be changed."""
GATEWAYS_OWN = {"fields": "id", "limit": "100"}
"""What the gateway itself asks of templates and phone numbers: fields from the id on, a hundred at once."""
ALL = f"sandbox:{sandbox.API_KEY}:send+read+content+admin"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def start(start: Start) -> Start:
    """Starts a gateway that knows its account."""
    return lambda **given: start(**{"waba": WABA} | given)


@dataclass
class Arrived:
    """One request in WhatsApp's place."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class WhatsApp:
    """A server in WhatsApp's place."""

    url: str = ""
    arrived: list[Arrived] = field(default_factory=list)

    @property
    def only(self) -> Arrived:
        """The only request, but for the look at what is to be changed."""
        *looks, request = self.arrived
        assert [(look.method, look.path) for look in looks] in ([], [("GET", request.path)])
        return request


@asynccontextmanager
async def whatsapp(answer: Answer | None = None) -> AsyncIterator[WhatsApp]:
    """Takes everything, keeps it, and answers SUCCESS or as told; the gateway's own looks are not kept."""
    there = WhatsApp()

    async def take(request: web.Request) -> web.StreamResponse:
        asked = {name: value.partition(",")[0] for name, value in request.query.items()}
        if asked == GATEWAYS_OWN:
            return web.json_response({"data": []})
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = list(request.query.items())
        arrived = Arrived(request.method, request.path, query, headers, b"")
        there.arrived.append(arrived)
        if answer is not None:
            return await answer(request)
        arrived.body = await request.read()
        return web.json_response(SUCCESS, headers={"X-Fb-Trace-Id": "A1", "Set-Cookie": "a=b"})

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app) as server:
        there.url = f"http://127.0.0.1:{server.port}"
        yield there


async def call(running: Running, method: str, path: str, **more: Any) -> tuple[int, Any]:
    """Status and body of any request."""
    async with running.http.request(method, running.url + path, **more) as answer:
        running.headers = answer.headers
        data = await answer.read()
        is_json = answer.content_type in ("application/json", "application/problem+json")
        return answer.status, (await answer.json() if is_json else data)


async def notices(running: Running) -> list[dict[str, Any]]:
    """The changes that the log knows of, with what is sealed."""
    return [
        event["data"] | {"opened": event.get("opened") or event["data"].get("opened")}
        for event in await running.events("AccountNoticeReceived")
    ]


PASSED = [
    ("GET", f"/v26.0/{LINE}"),
    ("GET", f"/v19.0/{TEMPLATE}"),
    ("POST", f"/v26.0/{TEMPLATE}"),
    ("DELETE", f"/v26.0/{TEMPLATE}"),
    ("POST", f"/v26.0/{TEMPLATE}/unpause"),
    ("GET", PROFILE),
    ("POST", PROFILE),
    ("GET", f"/v26.0/{LINE}/block_users"),
    ("POST", f"/v26.0/{LINE}/block_users"),
    ("DELETE", f"/v26.0/{LINE}/block_users"),
    ("GET", f"/v26.0/{WABA}"),
    ("GET", f"/v26.0/{WABA}/phone_numbers"),
    ("GET", TEMPLATES),
    ("POST", TEMPLATES),
    ("DELETE", TEMPLATES),
    ("GET", f"/v26.0/{WABA}/flows"),
    ("POST", f"/v26.0/{WABA}/flows"),
    ("GET", f"/v26.0/{TEMPLATE}/assets"),
    ("POST", f"/v26.0/{TEMPLATE}/publish"),
    ("POST", f"/v26.0/{LINE}/register"),
    ("POST", f"/v26.0/{LINE}/deregister"),
    ("HEAD", PROFILE),
]


@pytest.mark.parametrize(("method", "path"), PASSED)
async def test_what_the_list_names_is_passed_on_with_the_accounts_token(
    start: Start, method: str, path: str
) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        status, body = await call(running, method, f"{path}?fields=name&limit=5")
        assert (status, body) == (200, None if method == "HEAD" else SUCCESS)
        assert running.headers["x-fb-trace-id"] == "A1"
        assert "Set-Cookie" not in running.headers

    assert (there.only.method, there.only.path) == (method, path)
    assert there.only.query == [("fields", "name"), ("limit", "5")]
    assert there.only.headers["authorization"] == f"Bearer {sandbox.ACCESS_TOKEN}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v26.0/"),
        ("POST", f"/v26.0/{LINE}/messages_encrypted"),
        ("GET", f"/v26.0/{LINE}/message_history"),
        ("POST", f"/v26.0/{LINE}/request_code"),
        ("POST", f"/v26.0/{LINE}"),
        ("DELETE", f"/v26.0/{LINE}"),
        ("POST", f"/v26.0/{WABA}/subscribed_apps"),
        ("POST", f"/v26.0/{WABA}/phone_numbers"),
        ("GET", f"/v26.0/{LINE}/media"),
        ("GET", "/v26.0/me"),
        ("GET", "/v26.0/me/accounts"),
        ("GET", f"/v26.0/{LINE}/register"),
        ("PUT", PROFILE),
        ("GET", f"/v26.0/{LINE}%2F..%2Fme"),
    ],
)
async def test_all_else_is_refused_and_names_the_path(start: Start, method: str, path: str) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        url = running.url + path
        async with running.http.request(method, aiohttp.client.URL(url, encoded=True)) as answer:
            body = await answer.json()
            assert (answer.status, body["error"]["code"]) == (403, 10)
            assert method in body["error"]["error_data"]["details"]
        assert await notices(running) == []
    assert there.arrived == []


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("method=delete", "method"),
        ("batch=[]", "batch"),
        ("fields=id,access_token", "fields"),
        ("fields=phone_numbers{block_users}", "fields"),
        ("fields[0]=Access_Token", "fields"),
    ],
)
async def test_what_a_query_would_do_beside_the_path_is_refused(start: Start, query: str, named: str) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        status, body = await call(running, "GET", f"/v26.0/{WABA}?{query}")
        assert (status, body["error"]["code"]) == (403, 10)
        assert named in body["error"]["error_data"]["details"]
    assert there.arrived == []


@pytest.mark.parametrize(
    ("content_type", "body", "arrives"),
    [
        (
            "application/json",
            b'{"access_token":"sandbox-key","about":"Open","n":1}',
            b'{"about": "Open", "n": 1}',
        ),
        ("application/json", b'{ "about" : "Open" }', b'{ "about" : "Open" }'),
        (
            "application/x-www-form-urlencoded",
            b"about=Open+now&access_token=sandbox-key&appsecret_proof=f00d",
            b"about=Open+now",
        ),
        ("application/x-www-form-urlencoded; charset=utf-8", b"about=Open%20now", b"about=Open%20now"),
    ],
)
async def test_neither_key_nor_proof_leaves(
    start: Start, content_type: str, body: bytes, arrives: bytes
) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        del running.http.headers["Authorization"]
        headers = {
            "Content-Type": content_type,
            "Cookie": "key=sandbox-key",
            "X-Api-Key": "sandbox-key",
            "Proxy-Authorization": "sandbox-key",
            "User-Agent": "shop/1",
        }
        query = {"access_token": sandbox.API_KEY, "appsecret_proof": "f00d", "fields": "about"}
        status, _ = await call(running, "POST", PROFILE, params=query, data=body, headers=headers)
        assert status == 200

    assert there.only.body == arrives
    assert there.only.query == [("fields", "about")]
    assert there.only.headers["authorization"] == f"Bearer {sandbox.ACCESS_TOKEN}"
    assert there.only.headers["user-agent"] == "shop/1"
    assert "sandbox-key" not in str(there.arrived)
    assert "f00d" not in str(there.arrived)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b"[]", (400, 100)),
        ("application/json", b"{", (400, 100)),
        ("text/plain", b"access_token=sandbox-key", (400, 100)),
        ("multipart/form-data; boundary=b", b"--b--", (400, 100)),
        ("application/json", b'{"method":"delete"}', (403, 10)),
        ("application/x-www-form-urlencoded", b"method=delete", (403, 10)),
    ],
)
async def test_a_body_that_cannot_be_judged_does_not_leave(
    start: Start, content_type: str, body: bytes, expected: tuple[int, int]
) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        status, answer = await call(
            running, "POST", PROFILE, data=body, headers={"Content-Type": content_type}
        )
        assert (status, answer["error"]["code"]) == expected
        assert await notices(running) == []
    assert there.arrived == []


async def test_only_fields_of_templates_and_flows_are_changed_by_an_objects_id(start: Start) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        hook = {"webhook_configuration": {"override_callback_uri": "https://a.example/"}}
        status, body = await call(running, "POST", f"/v26.0/{OTHER}", json=hook)
        assert (status, body["error"]["code"]) == (403, 10)
        assert "webhook_configuration" in body["error"]["error_data"]["details"]
        assert (await call(running, "POST", f"/v26.0/{TEMPLATE}", json={"components": []}))[0] == 200
    assert there.only.body == b'{"components": []}'


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_only_media_templates_and_flows_are_changed_by_their_id(start: Start, method: str) -> None:
    told: dict[str, dict[str, Any]] = {
        "1": {"id": "1", "mime_type": "image/png"},
        "2": {"id": "2", "name": "order_update", "components": []},
        "3": {"id": "3", "name": "Sign up", "categories": ["OTHER"]},
        "4": {"id": "4", "verified_name": "Shop", "display_phone_number": "15550783881"},
        "5": {"id": "5", "name": "An account", "currency": "USD"},
    }

    async def about(request: web.Request) -> web.Response:
        found = told.get(request.path.rpartition("/")[2])
        return web.json_response(found or {"error": {"code": 100}}, status=200 if found else 400)

    async with whatsapp(about) as there, start(upstream_url=there.url) as running:
        answers = [await call(running, method, f"/v26.0/{number}") for number in range(1, 7)]
        fields = [notice["field"] for notice in await notices(running)]

    assert [status for status, _ in answers] == [200, 200, 200, 403, 403, 400]
    assert answers[5][1] == {"error": {"code": 100}}
    changed = [one.path for one in there.arrived if one.method == method]
    assert changed == ["/v26.0/1", "/v26.0/2", "/v26.0/3"]
    assert fields == ["media"] * 2 + ["message_templates"] * 2 + ["flows"] * 2


async def test_the_account_is_not_changed_as_an_object(running: Running) -> None:
    for method in ("POST", "DELETE"):
        status, body = await call(running, method, f"/v26.0/{WABA}")
        assert (status, body["error"]["code"]) == (403, 10)


@pytest.mark.parametrize(
    ("method", "path"),
    [one for one in PASSED if one[1].startswith(f"/v26.0/{WABA}/")],
)
async def test_without_an_account_no_accounts_paths_are_passed_on(
    start: Start, method: str, path: str
) -> None:
    async with whatsapp() as there, start(upstream_url=there.url, waba=None) as running:
        status, body = await call(running, method, path)
        assert (status, body["error"]["code"]) == (403, 10)
        assert "LEDGERLINE_WABA" in body["error"]["error_data"]["details"]
        assert path in body["error"]["error_data"]["details"]
        assert await notices(running) == []
    assert there.arrived == []


async def test_lines_and_accounts_of_others_are_not_reached(start: Start) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        for path, setting in (
            (f"/v26.0/{OTHER}/whatsapp_business_profile", "LEDGERLINE_LINES"),
            (f"/v26.0/{OTHER}/message_templates", "LEDGERLINE_WABA"),
        ):
            status, body = await call(running, "GET", path)
            assert (status, body["error"]["code"]) == (400, 33)
            assert setting in body["error"]["error_data"]["details"]
    assert there.arrived == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PROFILE, {"send", "read"}),
        ("GET", f"/v26.0/{TEMPLATE}", {"send", "read", "content"}),
        ("GET", f"/v26.0/{LINE}/block_users", {"send", "content"}),
        ("GET", TEMPLATES, {"send", "read"}),
        ("POST", TEMPLATES, {"send"}),
        ("DELETE", f"/v26.0/{TEMPLATE}", {"send"}),
        ("POST", f"/v26.0/{LINE}/register", {"admin"}),
        ("POST", f"/v26.0/{LINE}/nothing", set()),
    ],
)
async def test_each_path_wants_its_scope(start: Start, method: str, path: str, allowed: set[str]) -> None:
    keys = tuple(f"{scope}:{scope}-key:{scope}" for scope in ("send", "read", "content", "admin"))
    async with whatsapp() as there, start(upstream_url=there.url, api_keys=keys) as running:
        del running.http.headers["Authorization"]
        passed = set()
        for scope in ("send", "read", "content", "admin"):
            status, body = await call(running, method, f"{path}?access_token={scope}-key")
            assert status == 200 or (status, body["error"]["code"]) == (403, 10)
            passed |= {scope} if status == 200 else set()
        assert passed == allowed
        for query in ("", "?access_token=wrong"):
            status, body = await call(running, method, path + query)
            assert (status, body["error"]["code"]) == (401, 190)
    assert len([one for one in there.arrived if one.method == method]) == len(allowed)


async def test_a_bound_key_touches_its_own_lines_and_changes_nothing_that_all_share(start: Start) -> None:
    keys = (ALL, f"bound:bound-key:send+read@{LINE}", f"both:both-key:send@{LINE}+{OTHER}")
    async with (
        whatsapp() as there,
        start(upstream_url=there.url, api_keys=keys, lines=(LINE, OTHER)) as running,
    ):
        running.http.headers["Authorization"] = "Bearer bound-key"
        for method, path, expected in (
            ("POST", PROFILE, 200),
            ("GET", f"/v26.0/{LINE}", 200),
            ("GET", TEMPLATES, 200),
            ("GET", f"/v26.0/{OTHER}", 403),
            ("GET", f"/v26.0/{OTHER}/whatsapp_business_profile", 403),
            ("POST", f"/v26.0/{OTHER}/whatsapp_business_profile", 403),
            ("POST", TEMPLATES, 403),
            ("POST", f"/v26.0/{TEMPLATE}", 403),
            ("POST", f"/v26.0/{TEMPLATE}/publish", 403),
            ("GET", f"/v26.0/{TEMPLATE}?phone_number_id={OTHER}", 403),
        ):
            assert (await call(running, method, path))[0] == expected, (method, path)
        there.arrived.clear()
        # Whatever file is named: WhatsApp holds the key to those of its line.
        assert (await call(running, "DELETE", f"/v26.0/{TEMPLATE}"))[0] == 200
        assert there.only.query == [("phone_number_id", LINE)]

        running.http.headers["Authorization"] = "Bearer both-key"
        assert (await call(running, "GET", f"/v26.0/{TEMPLATE}"))[0] == 403
        assert (await call(running, "GET", f"/v26.0/{TEMPLATE}?phone_number_id={OTHER}"))[0] == 200


async def test_a_change_is_recorded_before_it_leaves_and_with_its_answer(start: Start) -> None:
    seen: list[list[dict[str, Any]]] = []
    begun: list[Running] = []

    async def answer(_: web.Request) -> web.Response:
        seen.append(await notices(begun[0]))
        return web.json_response({"error": {"code": 100}}, status=400)

    async with whatsapp(answer) as there, start(upstream_url=there.url) as running:
        begun.append(running)
        body = {"name": "order_update", "category": "UTILITY"}
        assert (await call(running, "POST", TEMPLATES, json=body)) == (400, {"error": {"code": 100}})
        [before, after] = await notices(running)
        _, lines = await running.get("/api/lines")

    assert seen[0] == [before]
    public = {"account": WABA, "field": "message_templates", "event": "POST", "caller": "sandbox"}
    assert {name: before[name] for name in public} == public
    assert before.get("http_status") is None
    assert (after["caller"], after["http_status"]) == ("sandbox", 400)
    assert before["opened"]["body"] == body
    assert before["opened"]["path"] == TEMPLATES
    assert after["opened"]["answer"] == '{"error": {"code": 100}}'
    assert before["opened"]["call"] == after["opened"]["call"]
    assert lines["lines"][0]["last_webhook_at"] is None


async def test_people_and_secrets_of_a_change_are_not_in_the_open(start: Start) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        block = {"messaging_product": "whatsapp", "block_users": [{"user": ANN}]}
        await call(running, "POST", f"/v26.0/{LINE}/block_users", json=block)
        await call(running, "POST", f"/v26.0/{LINE}/register", json={"pin": "271828"})
        found = await notices(running)
        stored = await running.gateway.pool.fetch("select state from ledgerline.stored_events")

    assert [notice["field"] for notice in found] == ["block_users"] * 2 + ["register"] * 2
    assert found[0]["opened"]["body"] == block
    assert found[0]["line"] == LINE
    assert "271828" not in str(found)
    assert ANN not in str([row["state"] for row in stored])


async def test_a_template_may_be_named_like_a_closed_field(start: Start) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        assert (await call(running, "DELETE", f"{TEMPLATES}?name=block_users_notice"))[0] == 200
    assert there.only.query == [("name", "block_users_notice")]


async def test_reading_leaves_no_event(start: Start) -> None:
    async with whatsapp() as there, start(upstream_url=there.url) as running:
        assert (await call(running, "GET", TEMPLATES))[0] == 200
        assert await running.events() == []


async def test_nobody_at_the_other_end(start: Start) -> None:
    async with start(upstream_url=f"http://127.0.0.1:{unused_port()}") as running:
        for method in ("GET", "POST"):
            status, body = await call(running, method, TEMPLATES)
            assert (status, body["error"]["code"]) == (503, 131016)
            assert running.headers["Retry-After"]
        [asked] = await notices(running)
        assert asked.get("http_status") is None


async def test_a_lost_answer_may_be_repeated_when_reading_and_must_be_looked_at_when_changing(
    start: Start,
) -> None:
    async def drop(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with whatsapp(drop) as there, start(upstream_url=there.url) as running:
        assert (await call(running, "GET", TEMPLATES))[0] == 503
        there.arrived.clear()
        status, body = await call(running, "POST", TEMPLATES)
        assert (status, body["error"]["code"]) == (500, 131000)
        assert "may have been made" in body["error"]["error_data"]["details"]
        assert "Retry-After" not in running.headers
        assert len(there.arrived) == 1
        assert len(await notices(running)) == 1


async def test_a_redirect_is_not_followed_nor_told(start: Start) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://a.example/"})

    async with whatsapp(elsewhere) as there, start(upstream_url=there.url) as running:
        for method in ("GET", "POST"):
            status, body = await call(running, method, TEMPLATES, allow_redirects=False)
            assert (status, body["error"]["code"]) == (500, 131000)
            assert "Location" not in running.headers
    assert len(there.arrived) == 2


async def test_nothing_leaves_while_the_log_takes_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def record(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError

    async with whatsapp() as there, start(upstream_url=there.url) as running:
        monkeypatch.setattr(running.gateway.log, "record", record)
        status, body = await call(running, "POST", PROFILE, json={"about": "Open"})
        assert (status, body["error"]["code"]) == (503, 131016)
    assert there.arrived == []


async def test_a_body_over_4_mb_is_too_large(start: Start) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 1024 * 1024

    async with whatsapp() as there, start(upstream_url=there.url) as running:
        for body in (BytesIO(b" " * 5 * 1024 * 1024), chunks()):
            status, answer = await call(running, "POST", PROFILE, data=body)
            assert (status, answer["error"]["code"]) == (413, 100)
        assert await notices(running) == []
    assert there.arrived == []


async def test_an_answer_is_streamed(start: Start) -> None:
    go_on = asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        await answer.write(b'{"data":')
        await go_on.wait()
        await answer.write(b"[]}")
        return answer

    async with (
        whatsapp(slowly) as there,
        start(upstream_url=there.url) as running,
        running.http.get(running.url + TEMPLATES) as answer,
    ):
        assert await answer.content.readexactly(8) == b'{"data":'
        go_on.set()
        assert await answer.content.read() == b"[]}"


async def test_an_answer_that_breaks_off_does_not_look_whole(start: Start) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        await answer.write(b'{"data":')
        assert request.transport is not None
        request.transport.abort()
        return answer

    async with whatsapp(broken) as there, start(upstream_url=there.url) as running:
        with pytest.raises(aiohttp.ClientError):
            await call(running, "GET", TEMPLATES)


async def test_marketing_messages_are_sends(start: Start) -> None:
    async with start() as running:
        path = f"/v26.0/{LINE}/marketing_messages"
        template = {"name": "winter_sale", "language": {"code": "en_GB"}}
        body = {"messaging_product": "whatsapp", "to": f"+{ANN}", "type": "template", "template": template}
        status, answer = await running.post(path, body)
        assert status == 200, answer
        assert running.headers["Ledgerline-Outcome"] == "accepted"
        [message] = running.simulator.accepted.values()
        assert message.send.category == "marketing_lite"

        text = {"messaging_product": "whatsapp", "to": f"+{ANN}", "type": "text", "text": {"body": "Hi"}}
        status, answer = await running.post(path, text)
        assert (status, answer["error"]["code"]) == (400, 131047)
        assert running.headers["Ledgerline-Outcome"] == "refused"
        assert len(await running.events("SendRequested")) == 1
