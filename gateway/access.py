"""Who may call what: the checks every face makes, and what a request says about itself."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.auth import ApiKey, Scope, presented
from gateway.gateway import GATEWAY


def key_of(request: web.Request) -> ApiKey:
    """The key the request came with, whatever it may do. Raises HTTPUnauthorized."""
    secret = presented(request)
    key = request.app[GATEWAY].keys.find(secret) if secret else None
    if key is None:
        said = "The API key is not known" if secret else "No API key was given"
        raise web.HTTPUnauthorized(text=f"{said}: send it as Authorization: Bearer <key>.")
    return key


def caller_of(
    request: web.Request, scope: Scope, line: str | None = None, *, others: Sequence[Scope] = ()
) -> ApiKey:
    """The key the request came with, if it has the scope, or one of `others`, and reaches the line.

    Raises HTTPUnauthorized or HTTPForbidden, which gateway/app.py answers in the path's own dialect.
    """
    key = key_of(request)
    if not any(key.may(one) for one in (scope, *others)):
        wanted = " or ".join(repr(one.value) for one in (scope, *others))
        raise web.HTTPForbidden(text=f"The API key {key.name!r} has no scope {wanted}.")
    if line is not None and not key.reaches(line):
        raise web.HTTPForbidden(text=f"The API key {key.name!r} is not bound to line {line}.")
    return key
