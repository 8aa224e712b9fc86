"""What every Graph route does first: find the simulator, check the token, read the body."""

from __future__ import annotations

import secrets
from typing import Any, Final

from aiohttp import web

from gateway.sandbox.refusal import Refusal, no_such_object
from gateway.sandbox.simulator import Simulator

SIMULATOR: Final = web.AppKey("simulator", Simulator)
VERSION: Final = r"/{version:v\d+\.\d+}"


def authorised(request: web.Request) -> Simulator:
    """The simulator, for whoever has its access token."""
    simulator = request.app[SIMULATOR]
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    given = bearer or request.query.get("access_token", "")
    if not secrets.compare_digest(given.encode(), simulator.access_token.encode()):
        raise Refusal(190, "Invalid OAuth access token - Cannot parse access token.")
    return simulator


def of_line(request: web.Request) -> Simulator:
    """The simulator, when the path names its line."""
    simulator = authorised(request)
    if request.match_info["line"] != simulator.line:
        raise Refusal(33, "The business phone number does not exist or was deleted.")
    return simulator


def of_account(request: web.Request) -> Simulator:
    """The simulator, when the path names its account."""
    simulator = authorised(request)
    if request.match_info["waba"] != simulator.waba:
        raise no_such_object(request.path)
    return simulator


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body, which must be a JSON object."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(100, "The request body is not a JSON object.")
    return body
