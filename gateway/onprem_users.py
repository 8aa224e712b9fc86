"""Log-in of the on-premises API: the token is the API key itself, so no process has to keep it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

from aiohttp import hdrs, web

from gateway import errors
from gateway.access import key_of
from gateway.auth import presented
from gateway.gateway import GATEWAY

LIFETIME: Final = timedelta(days=7)
"""After which a client of the old API logs in again."""


async def login(request: web.Request) -> web.Response:
    """POST /v1/users/login: Basic, the API key as password; any user name, as keys tell who calls."""
    if not request.headers.get(hdrs.AUTHORIZATION, "").lower().startswith("basic "):
        raise web.HTTPUnauthorized(text="Log in with HTTP Basic: the API key as password, any user name.")
    key_of(request)
    body = await request.read()
    if body.strip() and (refusal := _refusal(body)):
        return refusal
    expires_after = request.app[GATEWAY].clock() + LIFETIME
    user = {"token": presented(request), "expires_after": expires_after.isoformat(" ", "seconds")}
    return errors.json({"users": [user], "meta": errors.META})


async def logout(request: web.Request) -> web.Response:
    """POST /v1/users/logout: there is nothing to end; the key stays good."""
    key_of(request)
    return errors.json({"meta": errors.META})


def _refusal(body: bytes) -> web.Response | None:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return errors.onprem(400, 1025, "Request not valid", details="The body is not JSON.")
    if isinstance(asked, dict) and "new_password" in asked:
        details = "new_password: a key is changed in LEDGERLINE_API_KEYS, not here. Log in without it."
        return errors.onprem(400, 1010, "Parameter is not required", details=details)
    return None
