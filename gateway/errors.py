"""Errors in the caller's own dialect: Graph (Cloud), on-premises, or RFC 9457 (our own API)."""

from __future__ import annotations

from json import dumps
from typing import Any, Final

import orjson
from aiohttp import web

VERSION: Final = "2.53.1"
"""What `meta.version` says on the on-premises face: its last client's version."""

META: Final = {"api_status": "stable", "version": VERSION}


def json(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer; `body` is anything orjson or the standard library can write."""
    return web.Response(body=written(body), status=status, content_type="application/json", headers=headers)


def written(body: Any) -> bytes:
    """JSON of anything orjson or the standard library can write, in one line."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # What people wrote may hold lone surrogates, integers over 64 bits, or be deep.
        return dumps(body).encode()


def graph(
    status: int,
    code: int,
    message: str,
    *,
    details: str,
    trace: str = "",
    headers: dict[str, str] | None = None,
) -> web.Response:
    """The Graph error envelope (Cloud API reference, section 7)."""
    error = {
        "message": f"(#{code}) {message}",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": details},
        "fbtrace_id": trace,
    }
    return json({"error": error}, status=status, headers=headers)


def onprem(
    status: int, code: int, title: str, *, details: str, headers: dict[str, str] | None = None
) -> web.Response:
    """The on-premises error body (on-premises reference, section 4)."""
    error = {"code": code, "title": title, "details": details}
    return json({"errors": [error], "meta": META}, status=status, headers=headers)


def problem(
    status: int, error: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
) -> web.Response:
    """A problem of our own API (RFC 9457); `error` is the last part of its `type`."""
    body = {
        "type": f"urn:ledgerline:{error}",
        "title": error.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        **more,
    }
    answer = json(body, status=status, headers=headers)
    answer.content_type = "application/problem+json"
    return answer


class ProblemError(Exception):
    """Ends a request of our own API with this answer."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__()
        self.answer = answer


def in_dialect(path: str, status: int, detail: str, *, retry_after: int | None = None) -> web.Response:
    """A fault that has nothing to do with the request's content, in the dialect of the path it came by."""
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    if path.startswith("/v1/"):
        code, title = _ONPREM.get(status, (1000, "Generic error"))
        return onprem(status, code, title, details=detail, headers=headers)
    if path.startswith("/v") or path[1:2].isdigit():
        code, title = _GRAPH.get(status, (131000, "Something went wrong"))
        return graph(status, code, title, details=detail, headers=headers)
    return problem(status, _NAMES.get(status, "internal-error"), detail, headers=headers)


_GRAPH: Final = {
    400: (100, "Invalid parameter"),
    401: (190, "Invalid OAuth access token"),
    403: (10, "Permission denied"),
    404: (100, "Unsupported request"),
    405: (100, "Unsupported request"),
    408: (131016, "Service unavailable"),
    409: (131016, "Service unavailable"),
    410: (100, "Invalid parameter"),
    413: (100, "Request too large"),
    416: (100, "Invalid parameter"),
    422: (100, "Invalid parameter"),
    503: (131016, "Service unavailable"),
}
_ONPREM: Final = {
    400: (1025, "Request not valid"),
    401: (1005, "Access denied"),
    403: (1005, "Access denied"),
    404: (1006, "Resource not found"),
    405: (1025, "Request not valid"),
    408: (1016, "System overloaded"),
    409: (1016, "System overloaded"),
    410: (1009, "Parameter value is not valid"),
    413: (1025, "Request not valid"),
    416: (1009, "Parameter value is not valid"),
    422: (1009, "Parameter value is not valid"),
    503: (1016, "System overloaded"),
}
_NAMES: Final = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    409: "conflict",
    413: "too-large",
    503: "not-taken",
}
