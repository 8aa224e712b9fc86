"""The on-premises face: what a client of the sunset `/v1` API still sends, for the Cloud API to serve."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, assert_never
from uuid import UUID

from aiohttp import web

from domain import contact_check, graph_errors, outbound
from domain.graph_errors import cloud_to_onprem
from gateway import answers, errors, upstream
from gateway.access import caller_of
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY, Gateway
from gateway.sends import idempotency, send
from gateway.upstream import GRAPH_VERSION

TITLES = {
    402: "Business eligibility - Payment issue",
    470: "Message failed to send because more than 24 hours have passed since the customer last replied",
    471: "Spam rate limit hit",
    500: "Generic error",
    501: "Message type is not currently supported",
    1000: "Generic error",
    1005: "Access denied",
    1006: "Resource not found",
    1008: "Required parameter is missing",
    1009: "Parameter value is not valid",
    1013: "User is not valid",
    1015: "Too many requests",
    1016: "System overloaded",
    1025: "Request not valid",
    1031: "Sender account is locked",
    2000: "Template parameter count mismatch",
    2001: "Template missing",
    2005: "Template hydrated text too long",
    2006: "Template whitespace policy violated",
    2012: "Template parameter format mismatch",
    2061: "Template is paused",
    2062: "Template is disabled",
}
_STATUS = {500: 500, 1000: 500, 1005: 403, 1015: 429}


async def messages(request: web.Request) -> web.Response:
    """POST /v1/messages: every type (on-premises reference, section 3)."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.SEND)
    line = line_of(gateway, caller)
    if line is None:
        return lineless(gateway, caller)
    match outbound.parse_onprem(await request.read()):
        case outbound.Malformed(code=code, details=details):
            gateway.metrics.sends.labels("on-premises", "", "malformed").inc()
            return _error(400, code, details)
        case outbound.SendRequest() as asked:
            path = f"{GRAPH_VERSION}/{line}/messages"
            reference = request.headers.get("Idempotency-Key")
            if reference is not None and (wrong := idempotency.fault(reference)):
                return _error(400, 1009, wrong)
            return render(
                await send.send(gateway, asked, line=line, caller=caller, path=path, reference=reference)
            )


async def read(request: web.Request) -> web.Response:
    """PUT /v1/messages/{message_id}: mark as read; no decision, no event."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.SEND)
    line = line_of(gateway, caller)
    if line is None:
        return lineless(gateway, caller)
    match outbound.parse_onprem_read(await request.read(), request.match_info["message_id"]):
        case outbound.Malformed(code=code, details=details):
            return _error(400, code, details)
        case outbound.Read(body=body):
            return _read(await gateway.upstream.read(f"{GRAPH_VERSION}/{line}/messages", body))


async def contacts(request: web.Request) -> web.Response:
    """POST /v1/contacts: judged here, since the Cloud API has no such check; nothing is recorded."""
    caller_of(request, Scope.SEND)
    match contact_check.parse(await request.read()):
        case outbound.Malformed(code=code, details=details):
            return _error(400, code, details)
        case contact_check.ContactCheck() as check:
            return errors.json({"contacts": contact_check.result(check), "meta": errors.META})


async def not_served(request: web.Request) -> web.Response:
    """Any other on-premises path."""
    caller_of(request, Scope.SEND)
    return _error(404, 1006, f"{request.method} {request.path} is not served by this gateway.")


def line_of(gateway: Gateway, caller: ApiKey) -> str | None:
    """The line bound to the key, else the only one configured."""
    lines = [line for line in gateway.settings.lines if not caller.lines or line in caller.lines]
    return lines[0] if len(lines) == 1 else None


def lineless(gateway: Gateway, caller: ApiKey) -> web.Response:
    """The answer to a key of which `line_of` knows no line."""
    bound, configured = sorted(caller.lines), len(gateway.settings.lines)
    if not bound:
        return _error(400, 1009, f"The key is bound to no line, and {configured} are configured: {_BIND}")
    if caller.lines.isdisjoint(gateway.settings.lines):
        details = f"The key is bound to {' and '.join(bound)}, not configured here (LEDGERLINE_LINES)."
        return _error(400, 1009, details)
    return _error(400, 1009, f"The key is bound to more than one line: {_BIND}")


_BIND = "bind it to one with @line (LEDGERLINE_API_KEYS)."


def _read(outcome: upstream.Outcome) -> web.Response:
    match outcome:
        case upstream.Answered(HTTPStatus.OK):
            return errors.json({"meta": errors.META})
        case upstream.Answered(status, body):
            return _read_refused(status, body)
        case upstream.NotSent() | upstream.Lost():
            return answers.not_reached("/v1/")
        case _:
            assert_never(outcome)


def _read_refused(status: int, body: bytes) -> web.Response:
    match graph_errors.judge(status, body):
        case graph_errors.Rejected(code=code) | graph_errors.Unsure(code=int(code)):
            theirs = cloud_to_onprem(code)
            return _error(_STATUS.get(theirs, 400), theirs, _details(body))
        case _:
            return _error(500, 1000, f"WhatsApp's answer ({status}) was not its API's. This may be repeated.")


def render(answer: send.Answer) -> web.Response:
    """The answer to a send in the on-premises dialect (docs/api.md)."""
    match answer:
        case send.Accepted(send_id, body, warning):
            headers = answers.headers(send_id, "accepted", warning)
            return errors.json(_accepted(body), status=201, headers=headers)
        case send.Refused(send_id, decision):
            status, code = decision.refusal.http_status, decision.refusal.onprem_code
            return _error(status, code, answers.refusal(decision), answers.headers(send_id, "refused"))
        case send.Failed(send_id, _, code, body):
            return _failed(send_id, code, body)
        case send.Unknown(send_id):
            return _error(500, 1000, answers.unknown(send_id), answers.headers(send_id, "unknown"))
        case send.Replayed(known):
            return answers.replayed(render(known))
        case send.NotPosted(why, send_id, outcome):
            return answers.not_posted("/v1/", why, send_id, outcome)
        case _:
            assert_never(answer)


def _failed(send_id: UUID, code: int | None, body: bytes) -> web.Response:
    headers = answers.headers(send_id, "failed")
    if code is None:
        return _error(503, 1016, answers.NOT_SENT, headers | {"Retry-After": "5"})
    theirs = cloud_to_onprem(code)
    return _error(_STATUS.get(theirs, 400), theirs, _details(body), headers)


def _error(status: int, code: int, details: str, headers: dict[str, str] | None = None) -> web.Response:
    title = TITLES.get(code, "Message failed to send")
    return errors.onprem(status, code, title, details=details, headers=headers)


def _accepted(body: bytes) -> dict[str, Any]:
    """WhatsApp's answer as the old API gave it; what it says beside the message's id may be anything."""
    answer = json.loads(body)
    contacts = answer.get("contacts")
    known = [one for one in contacts if isinstance(one, dict)] if isinstance(contacts, list) else []
    return {
        "messages": [{"id": _text(answer["messages"][0]["id"])}],
        "contacts": [{"input": _text(one.get("input")), "wa_id": _text(one.get("wa_id"))} for one in known],
        "meta": errors.META,
    }


def _details(body: bytes) -> str:
    """WhatsApp's own words about a failure, whose body was judged to be a Graph error."""
    error = json.loads(body)["error"]
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else None
    return _text(details or error.get("message")) or ""


def _text(value: object) -> str | None:
    """Text that every reader of JSON takes: half a surrogate pair is not."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None
