"""Why a send went the way it went."""

from __future__ import annotations

from aiohttp import web

from domain.explain import explain
from gateway import errors
from gateway.access import caller_of
from gateway.answers import rfc3339
from gateway.api import messages, query
from gateway.auth import Scope
from gateway.gateway import GATEWAY


async def explanation(request: web.Request) -> web.Response:
    """GET /api/messages/{send_id}/explanation, or by the message_id of a send."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.READ)
    life = await messages.life_of(request, caller)
    if life.send is None:
        raise query.not_found(
            "This message was not sent through this gateway, so there is no decision to explain; "
            "GET /api/messages/{message_id} shows what is known of it."
        )
    [view] = await messages.shown(gateway, caller, [life])
    told = explain(await gateway.lives.history(life))
    body = {name: view[name] for name in ("send_id", "message_id", "line", "contact")}
    steps = [
        {"position": step.position, "topic": step.topic, "at": rfc3339(step.at), "text": step.text}
        for step in told.steps
    ]
    return errors.json(body | {"state": told.state, "summary": told.summary, "steps": steps})
