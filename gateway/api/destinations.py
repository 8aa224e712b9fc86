"""Destinations: internal systems to which every event is delivered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from domain.destinations import asked
from domain.destinations.asked import NoDestinationError
from domain.destinations.changing import CHANGEABLE
from domain.destinations.model import Destination
from gateway import errors
from gateway.access import caller_of
from gateway.api import query, views
from gateway.auth import ApiKey, Scope
from gateway.deliveries import parking
from gateway.destinations.destinations import Made, NameTakenError
from gateway.gateway import GATEWAY, Gateway
from gateway.store.destinations import Standing

ANSWERS = 10
"""Answers that are shown, the newest first."""
FRESH = 30.0
"""Seconds after which a rate is of the past."""


async def listing(request: web.Request) -> web.Response:
    """GET /api/destinations."""
    gateway = request.app[GATEWAY]
    _admin(request)
    return errors.json({"destinations": [_shown(one) for one in await gateway.destinations.all()]})


async def add(request: web.Request) -> web.Response:
    """POST /api/destinations {"name", "url", "format", "filter", "headers", "secret", "from"}."""
    gateway = request.app[GATEWAY]
    caller = _admin(request)
    body = await query.json_object(request)
    with _refused():
        made = await gateway.destinations.add(body, caller=caller.name)
    return errors.json(_with_secret(made), status=201)


async def one(request: web.Request) -> web.Response:
    """GET /api/destinations/{id}: with how far its deliveries are."""
    gateway = request.app[GATEWAY]
    _admin(request)
    found = await _found(request)
    standing = await gateway.destinations.standing(found)
    shown = _shown(found) | await _standing(gateway, standing)
    if found.state == "active" and standing.waiting >= parking.MOST:
        shown["reason"] = f"it stands still: {parking.MOST} events or more are parked"
    return errors.json(shown)


async def change(request: web.Request) -> web.Response:
    """PATCH /api/destinations/{id}: any of name, url, filter, headers, and state (active or paused)."""
    gateway = request.app[GATEWAY]
    caller = _admin(request)
    found: Destination | None = await _found(request)
    body = await query.json_object(request)
    with _refused():
        asked.known(body, (*CHANGEABLE, "state"))
    state = body.pop("state", None)
    if state not in (None, "active", "paused"):
        raise query.wanted("state", "active or paused")
    destination = _id(request)
    if body:
        with _refused():
            found = await gateway.destinations.change(destination, body, caller=caller.name)
    if state == "paused":
        found = await gateway.destinations.pause(destination, caller=caller.name)
    elif state == "active":
        found = await gateway.destinations.resume(destination, caller=caller.name)
    if found is None:
        raise _unknown()
    return errors.json(_shown(found))


async def remove(request: web.Request) -> web.Response:
    """DELETE /api/destinations/{id}: with everything that waits for it."""
    caller = _admin(request)
    if not await request.app[GATEWAY].destinations.remove(_id(request), caller=caller.name):
        raise _unknown()
    return web.Response(status=204)


async def rotate(request: web.Request) -> web.Response:
    """POST /api/destinations/{id}/rotate {"secret"}: another secret, shown once."""
    caller = _admin(request)
    body = await query.json_object(request) if request.can_read_body else {}
    with _refused():
        made = await request.app[GATEWAY].destinations.rotate(_id(request), body, caller=caller.name)
    if made is None:
        raise _unknown()
    return errors.json(_with_secret(made))


async def resume(request: web.Request) -> web.Response:
    """POST /api/destinations/{id}/resume: go on where the deliveries stand, at once."""
    caller = _admin(request)
    found = await request.app[GATEWAY].destinations.resume(_id(request), caller=caller.name)
    if found is None:
        raise _unknown()
    return errors.json(_shown(found))


async def redeliver(request: web.Request) -> web.Response:
    """POST /api/destinations/{id}/redeliver: {"from": position}, {"since": time} or {"failed": true}."""
    gateway = request.app[GATEWAY]
    caller = _admin(request)
    found = await _found(request)
    body = await query.json_object(request)
    match body:
        case {"failed": True, **others} if not others:
            count = await gateway.destinations.redelivery.failed(found, caller=caller.name)
            return errors.json({"events": count}, status=202)
        case {"from": int(position), **others} if not others and position is not True and position > 0:
            after = position - 1
        case {"since": str(text), **others} if not others:
            after = await gateway.destinations.redelivery.position_before(_time(text))
        case _:
            raise query.wanted("from, since or failed", "given, one of them: a position, a time, or true")
    with _refused():
        count = await gateway.destinations.redelivery.everything(found, after=after, caller=caller.name)
    return errors.json({"from": after + 1, "events": count}, status=202)


def _admin(request: web.Request) -> ApiKey:
    """Who may read and change destinations: they get every line's content."""
    caller = caller_of(request, Scope.ADMIN)
    if caller.lines:
        text = (
            f"The API key {caller.name!r} is bound to lines; destinations take a key that reaches them all."
        )
        raise web.HTTPForbidden(text=text)
    return caller


def _id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise _unknown() from None


async def _found(request: web.Request) -> Destination:
    found = await request.app[GATEWAY].destinations.find(_id(request))
    if found is None:
        raise _unknown()
    return found


def _unknown() -> errors.ProblemError:
    return query.not_found("There is no destination with this id.")


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    """Whatever destinations refuse, as an answer."""
    try:
        yield
    except NoDestinationError as error:
        raise query.wanted(error.field, error.right) from None
    except NameTakenError:
        detail = "There is a destination with this name; each has its own."
        problem = errors.problem(409, "conflict", detail, parameter="name")
        raise errors.ProblemError(problem) from None


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise query.wanted("since", "a time with a zone, such as 2026-11-23T09:30:00Z")
    return at


def _with_secret(made: Made) -> dict[str, Any]:
    return _shown(made.destination) | {"secret": made.secret}


def _shown(found: Destination) -> dict[str, Any]:
    """A destination; of headers the names only, of secrets nothing."""
    wanted = found.filter
    return {
        "id": str(found.id),
        "name": found.name,
        "url": found.url,
        "format": found.format,
        "filter": {name: sorted(getattr(wanted, name)) for name in ("lines", "topics", "types", "sources")},
        "headers": sorted(found.headers),
        "state": found.state,
        "reason": found.reason,
        "created_at": views.moment(found.created_at.astimezone(UTC)),
    }


async def _standing(gateway: Gateway, found: Standing) -> dict[str, Any]:
    progress, now = found.progress, gateway.clock()
    head = await gateway.log.head()
    position = min((one.position for one in progress), default=head)
    answers = sorted((answer for one in progress for answer in one.answers), key=lambda one: str(one["at"]))
    fresh = [one for one in progress if one.noted_at and (now - one.noted_at).total_seconds() < FRESH]
    return {
        "position": position,
        "lag": {"events": max(0, head - position), "seconds": await gateway.log.age_after(position, now)},
        "rate": round(sum(one.rate for one in fresh), 2),
        "delivered": sum(one.delivered for one in progress),
        "skipped": sum(one.skipped for one in progress),
        "parked": found.waiting,
        "dead": found.dead,
        "failing_since": views.moment(found.failing_since) if found.failing_since else None,
        "next_try": views.moment(found.next_try) if found.next_try else None,
        "answers": answers[: -ANSWERS - 1 : -1],
    }
