"""The history of one conversation."""

from __future__ import annotations

from aiohttp import web

from domain.events import Recorded
from gateway.access import caller_of
from gateway.api import query, views
from gateway.api.windows import conversation_of
from gateway.auth import Scope
from gateway.gateway import GATEWAY


async def of_conversation(request: web.Request) -> web.Response:
    """GET …/conversations/{contact}/events?after=&limit=: everything of one person or group on one line."""
    gateway = request.app[GATEWAY]
    line = request.match_info["line"]
    caller = caller_of(request, Scope.READ, line)
    after, limit = query.after(request), query.limit(request)
    conversation = await conversation_of(gateway, line, request.match_info["contact"])
    history = await gateway.log.history(conversation.streams, after, limit)
    found = [one for one in history if isinstance(one, Recorded)]
    return await views.page(gateway, caller, found, found[-1].position if found else after)
