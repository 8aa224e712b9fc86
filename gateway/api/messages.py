"""The life of a message: what was asked, what was decided, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from domain.events import MessageReceived, Recorded, SendRefused, SendRequested
from domain.graph_errors import title_of
from domain.status import STATES
from gateway import errors
from gateway.access import caller_of
from gateway.answers import rfc3339
from gateway.api import billing, query, views
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY, Gateway
from projections.messages_query import MessageLife


async def one(request: web.Request) -> web.Response:
    """GET /api/messages/{send_id or message_id}."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.READ)
    life = await life_of(request, caller)
    history = await gateway.lives.history(life)
    [view] = await shown(gateway, caller, [life])
    view["charge"] = await billing.of_message(gateway, (part.message_key for part in life.parts))
    view["events"] = await views.events(gateway, history, caller)
    return errors.json(view)


async def search(request: web.Request) -> web.Response:
    """GET /api/messages?reference=&state=&line=&from=&to=&after=&limit=."""
    gateway = request.app[GATEWAY]
    line = query.line(request)
    caller = caller_of(request, Scope.READ, line)
    if line is None and caller.lines:
        raise query.wanted("line", f"given: the key is bound to {', '.join(sorted(caller.lines))}")
    reference, state = request.query.get("reference"), request.query.get("state")
    if state is not None and state not in STATES:
        raise query.bad("state", state, "one of " + ", ".join(STATES))
    after, limit = query.after(request), query.limit(request)
    async with gateway.pool.acquire() as db:
        lives = await gateway.messages.search(
            db,
            references=None if reference is None else [gateway.log.ids.reference(reference)],
            state=state,
            line=line,
            from_time=_seconds(query.moment(request, "from")),
            to_time=_seconds(query.moment(request, "to")),
            after=after,
            limit=limit,
        )
    last = lives[-1].position if lives else after
    return errors.json({"messages": await shown(gateway, caller, lives), "next": last})


async def life_of(request: web.Request, caller: ApiKey) -> MessageLife:
    """The message that a path names by our id or WhatsApp's; 404 where the caller may see none."""
    gateway, id_ = request.app[GATEWAY], request.match_info["id"]
    try:
        send_id, key = UUID(id_), None
    except ValueError:
        send_id, key = None, gateway.log.ids.message(id_)
    life = await gateway.lives.find(send_id=send_id, message_key=key)
    if life is None and send_id is not None:
        # The key of a message, by which the billing report names those of other systems.
        life = await gateway.lives.find(message_key=send_id)
    if life is None or not (life.line is None or caller.reaches(life.line)):
        raise query.not_found("This log knows no message with this id.")
    return life


async def shown(gateway: Gateway, caller: ApiKey, lives: Sequence[MessageLife]) -> list[dict[str, Any]]:
    """Messages as the API shows them, without their events."""
    positions = {position for life in lives for position in _positions(life)}
    events = {
        item.position: item
        for item in await gateway.log.events_at(sorted(positions))
        if isinstance(item, Recorded)
    }
    may_open = caller.may(Scope.CONTENT)
    opened = await gateway.log.opened([item.event for item in events.values()]) if may_open else []
    contents = dict(zip(events, opened, strict=True)) if may_open else {}
    return [_view(life, events, contents) for life in lives]


def _positions(life: MessageLife) -> list[int]:
    asked = [life.send.request.position] if life.send and life.send.request else []
    return asked + [part.origin.position for part in life.parts]


def _view(
    life: MessageLife, events: dict[int, Recorded], contents: dict[int, dict[str, Any] | None]
) -> dict[str, Any]:
    known, opened = life.known, _opened(life, contents)
    request = next((events[at] for at in _positions(life) if at in events), None)
    decided = request.event if request else None
    failure = known.failure
    return {
        "send_id": str(life.send_id) if life.send_id else None,
        "message_id": opened.get("message_id"),
        "message_key": str(life.message_key) if life.message_key else None,
        "line": life.line,
        "contact": _contact(opened, decided),
        "direction": life.direction,
        "type": life.type,
        "template": life.send.template if life.send else None,
        "category": life.send.category if life.send else None,
        "state": life.state,
        "contradicted": known.contradicted,
        "sent_at": _time(known.sent_at),
        "delivered_at": _time(known.delivered_at),
        "read_at": _time(known.read_at),
        "failed": None if failure is None else _failed(*failure),
        "decision": views.readable(decided.decision)
        if isinstance(decided, SendRequested | SendRefused)
        else None,
        "pricing": known.pricing,
        "charge": None,
        "caller": life.send.caller if life.send else None,
        "reference": opened.get("reference") or opened.get("callback_data"),
    }


def _opened(life: MessageLife, contents: dict[int, dict[str, Any] | None]) -> dict[str, Any]:
    """What is sealed about it, of its request and of its first events together."""
    opened: dict[str, Any] = {}
    for position in _positions(life):
        opened = (contents.get(position) or {}) | opened
    return opened


def _contact(opened: dict[str, Any], first: object) -> str | None:
    """Number or user id where they may be read; the conversation otherwise."""
    is_inbound = isinstance(first, MessageReceived) and first.direction is None
    names = ("from", "user_id") if is_inbound else ("to", "recipient", "user_id")
    stream = getattr(first, "originator_id", None)
    return next((str(opened[name]) for name in names if opened.get(name)), str(stream) if stream else None)


def _failed(code: int | None, at: int | None) -> dict[str, Any]:
    return {"code": code, "title": None if code is None else title_of(code), "at": _time(at)}


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
