"""The log itself: the feed of all events, and the history of one conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aiohttp import web

from domain.events import TOPICS, Recorded, Undecodable
from gateway import errors
from gateway.access import caller_of
from gateway.api import query, views
from gateway.api.windows import conversation_of
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY, Gateway

MAX_SCAN: Final = 5_000
"""Events a filtered page looks at: `next` advances even when none of them matched."""


async def feed(request: web.Request) -> web.Response:
    """GET /api/events?after=&limit=&topic=&line=: the log in order, from any position."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.READ)
    after, limit = query.after(request), query.limit(request)
    topics, lines = _topics(request), _lines(request, caller)
    filtered = bool(topics or lines)
    found: list[Recorded] = []
    last, scanned = after, 0
    while scanned < MAX_SCAN and len(found) < limit:
        page = await gateway.log.after(last, limit)
        for one in page:
            if len(found) == limit:
                break
            last = one.position
            if isinstance(one, Recorded) and _wanted(one, topics, lines):
                found.append(one)
        scanned += len(page)
        if len(page) < limit or not filtered:
            break
    return await _page(gateway, caller, found, last)


async def of_conversation(request: web.Request) -> web.Response:
    """GET …/conversations/{contact}/events?after=&limit=: everything of one person or group on one line."""
    gateway = request.app[GATEWAY]
    line = request.match_info["line"]
    caller = caller_of(request, Scope.READ, line)
    after, limit = query.after(request), query.limit(request)
    conversation = await conversation_of(gateway, line, request.match_info["contact"])
    found = _readable(await gateway.log.history(conversation.streams, after, limit))
    return await _page(gateway, caller, found, found[-1].position if found else after)


def _readable(page: Iterable[Recorded | Undecodable]) -> list[Recorded]:
    return [one for one in page if isinstance(one, Recorded)]


async def _page(gateway: Gateway, caller: ApiKey, found: list[Recorded], last: int) -> web.Response:
    shown = await views.events(gateway, found, caller)
    return errors.json({"log": str(gateway.log.log_id), "events": shown, "next": last})


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


def _wanted(one: Recorded, topics: frozenset[str], lines: frozenset[str]) -> bool:
    return (not topics or one.event.TOPIC in topics) and (not lines or one.event.line in lines)
