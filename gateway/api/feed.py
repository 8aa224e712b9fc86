"""The feed of all events, in pages; gateway/api/stream.py writes the same as server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from domain.events import TOPICS, Recorded
from gateway.access import caller_of
from gateway.api import query, stream, views
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY

MAX_SCAN: Final = 5_000
"""Events a filtered page looks at: `next` advances even when none of them matched."""


async def feed(request: web.Request) -> web.StreamResponse:
    """GET /api/events?after=&limit=&topic=&line=: the log in order, from any position."""
    caller = caller_of(request, Scope.READ)
    wanted = stream.Wanted(_topics(request), _lines(request, caller))
    if stream.is_asked_for(request):
        return await stream.serve(request, caller, wanted)
    return await _page(request, caller, wanted)


async def _page(request: web.Request, caller: ApiKey, wanted: stream.Wanted) -> web.Response:
    gateway = request.app[GATEWAY]
    after, limit = query.after(request), query.limit(request)
    filtered = bool(wanted.topics or wanted.lines)
    found: list[Recorded] = []
    last, scanned = after, 0
    while scanned < MAX_SCAN and len(found) < limit:
        page = await gateway.log.after(last, limit)
        for one in page:
            if len(found) == limit:
                break
            last = one.position
            found += wanted.among([one])
        scanned += len(page)
        if len(page) < limit or not filtered:
            break
    return await views.page(gateway, caller, found, last)


def _topics(request: web.Request) -> frozenset[str]:
    topics = request.query.getall("topic", [])
    for topic in topics:
        if topic not in TOPICS:
            raise query.bad("topic", topic, "the name of an event: " + ", ".join(TOPICS))
    return frozenset(topics)


def _lines(request: web.Request, caller: ApiKey) -> frozenset[str]:
    asked: Sequence[str] = request.query.getall("line", [])
    for line in asked:
        if not caller.reaches(line):
            raise web.HTTPForbidden(text=f"The API key {caller.name!r} is not bound to line {line}.")
    return frozenset(asked) or caller.lines
