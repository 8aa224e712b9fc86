"""The Cloud API face: what a client of graph.facebook.com sends here instead."""

from __future__ import annotations

from typing import Final, assert_never
from uuid import UUID

from aiohttp import web

from domain import outbound
from gateway import answers, errors, upstream
from gateway.access import caller_of
from gateway.auth import Scope
from gateway.gateway import GATEWAY
from gateway.sends import idempotency, send

VERSION: Final = r"/{version:v[0-9]+\.[0-9]+}"
MESSAGES: Final = VERSION + "/{line:[0-9]+}/messages"
MARKETING_MESSAGES: Final = VERSION + "/{line:[0-9]+}/marketing_messages"
LENIENT: Final = r"/{line:[0-9]+}/{edge:messages|marketing_messages}{slash:/?}"
"""Without a version, and with a slash at the end: Graph takes both, and some clients send them."""

_TITLES: Final = {
    100: "Invalid parameter",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
}


async def messages(request: web.Request) -> web.Response:
    """POST a message, a read receipt or a typing indicator (Cloud API reference, sections 2 to 5)."""
    gateway = request.app[GATEWAY]
    line = request.match_info["line"]
    caller = caller_of(request, Scope.SEND, line)
    if line not in gateway.settings.lines:
        details = f"Line {line} is not configured in this gateway (LEDGERLINE_LINES)."
        return errors.graph(400, 33, "Unsupported post request", details=details)
    path = graph_path(request)
    match outbound.parse_cloud(await request.read()):
        case outbound.Malformed(code=code, details=details):
            gateway.metrics.sends.labels("cloud", "", "malformed").inc()
            return errors.graph(400, code, _TITLES[code], details=details)
        case outbound.Read(body=body):
            return _read(await gateway.upstream.read(path, body))
        case outbound.SendRequest() as asked:
            reference = request.headers.get("Idempotency-Key")
            if reference is not None and (wrong := idempotency.fault(reference)):
                return errors.graph(400, 131009, _TITLES[131009], details=wrong)
            return render(
                await send.send(gateway, asked, line=line, caller=caller, path=path, reference=reference)
            )


def graph_path(request: web.Request) -> str:
    """The path upstream: with a version in front, and no slash at either end."""
    path = request.path.strip("/")
    return path if "version" in request.match_info else f"{upstream.GRAPH_VERSION}/{path}"


async def not_passed(request: web.Request) -> web.Response:
    """Any other Graph path: refused by name, so that nothing leaves unseen."""
    caller_of(request, Scope.SEND)
    details = f"{request.method} {request.path} is not among the paths this gateway passes on."
    return errors.graph(403, 10, "Permission denied", details=details)


def _read(outcome: upstream.Outcome) -> web.Response:
    match outcome:
        case upstream.Answered(status, body):
            return web.Response(body=body, status=status, content_type="application/json")
        case upstream.NotSent() | upstream.Lost():
            return answers.not_reached("/v")


def render(answer: send.Answer) -> web.Response:
    """The answer to a send in the Graph dialect (docs/api.md)."""
    match answer:
        case send.Accepted(send_id, body, warning):
            headers = answers.headers(send_id, "accepted", warning)
            return web.Response(body=body, content_type="application/json", headers=headers)
        case send.Refused(send_id, decision):
            headers = answers.headers(send_id, "refused")
            refusal, details, trace = decision.refusal, answers.refusal(decision), str(send_id)
            status, code, title = refusal.http_status, refusal.cloud_code, refusal.title
            return errors.graph(status, code, title, details=details, trace=trace, headers=headers)
        case send.Failed(send_id, status, _, body):
            return _failed(send_id, status, body)
        case send.Unknown(send_id):
            headers = answers.headers(send_id, "unknown")
            details, trace = answers.unknown(send_id), str(send_id)
            return errors.graph(
                500, 131000, "Something went wrong", details=details, trace=trace, headers=headers
            )
        case send.Replayed(known):
            return answers.replayed(render(known))
        case send.NotPosted(why, send_id, outcome):
            return answers.not_posted("/v", why, send_id, outcome)
        case _:
            assert_never(answer)


def _failed(send_id: UUID, status: int, body: bytes) -> web.Response:
    headers = answers.headers(send_id, "failed")
    if body:
        return web.Response(body=body, status=status, content_type="application/json", headers=headers)
    return errors.graph(
        503,
        131016,
        "Service unavailable",
        details=answers.NOT_SENT,
        trace=str(send_id),
        headers=headers | {"Retry-After": "5"},
    )
