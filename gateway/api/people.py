"""People: what each chose to be sent, whatever the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from aiohttp import web

from domain import consent as consents
from domain.consent import NOTHING_KNOWN, Choice
from domain.events import Recorded
from domain.facts import Alias, Fact
from gateway import consents as telling
from gateway import errors
from gateway.access import caller_of
from gateway.answers import rfc3339
from gateway.api import query, views
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY, Gateway
from gateway.store.codec import decode
from gateway.store.directory import Conversation
from gateway.store.log import Recording
from gateway.store.outcomes import Appended, InDoubt

PATIENCE: Final = 5.0
"""Seconds that a caller waits for the log."""


async def consent(request: web.Request) -> web.Response:
    """GET /api/people/{contact}/consents: what counts now, and every event that says so."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.READ)
    conversations = await gateway.log.everywhere(request.match_info["contact"])
    shown = [stream for one in conversations if caller.reaches(one.line) for stream in one.streams]
    if not shown:
        raise query.not_found("This log knows no such person.")
    every = [stream for one in conversations for stream in one.streams]
    async with gateway.pool.acquire() as db:
        known = (await gateway.windows.read(db, every, decode)).consent
    history = [one for one in await gateway.log.history(shown) if isinstance(one, Recorded)]
    tells = [one for one in history if consents.fold(NOTHING_KNOWN, one.event) != NOTHING_KNOWN]
    return errors.json(
        {
            "contact": request.match_info["contact"],
            "marketing": _choice(known.about_marketing),
            "all": _choice(known.about_everything),
            "opted_in": known.opted_in,
            "limited_at": None if known.limited_at is None else rfc3339(known.limited_at),
            "history": await views.events(gateway, tells, caller),
        }
    )


async def change(request: web.Request) -> web.Response:
    """POST /api/people/{contact}/consents: record a choice with its proof, once however often it is told."""
    gateway = request.app[GATEWAY]
    caller = caller_of(request, Scope.ADMIN)
    given = await _object(request)
    now = gateway.clock()
    try:
        one = telling.told(given, now)
    except telling.NoConsentError as error:
        raise _wrong(error.field, error.right) from None
    contact = request.match_info["contact"]
    alias = await _person(gateway, contact)
    line = _line(gateway, caller, given.get("line"))
    ids = gateway.log.ids
    fact = telling.fact(one, alias, line=line, source="api", by=caller.name, ids=ids, now=now)
    recording = await _recorded(gateway, fact)
    is_new = isinstance(recording, Appended)
    body = {
        "contact": contact,
        "category": one.category,
        "value": one.value,
        "at": rfc3339(int(one.at.timestamp())),
        "key": str(fact.key),
        "position": recording.position,
        "recorded": is_new,
    }
    return errors.json(body, status=201 if is_new else 200)


async def _person(gateway: Gateway, contact: str) -> Alias:
    """Whom the path names. Raises ProblemError when that is nobody."""
    alias = telling.person(contact) or await _alias(gateway, await gateway.log.everywhere(contact))
    if alias is None:
        raise query.not_found(
            "This log knows no such person: contact is digits, +digits, a user id, or a conversation's id."
        )
    return alias


async def _recorded(gateway: Gateway, fact: Fact) -> Recording:
    try:
        [recording] = await gateway.log.record([fact], patience=PATIENCE)
    except InDoubt:
        detail = "Nobody knows yet whether it was stored; telling it again is safe."
        raise errors.ProblemError(
            errors.problem(503, "not-taken", detail, headers={"Retry-After": "2"})
        ) from None
    return recording


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        given = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise _wrong("body", "a JSON object with category, value, at, source and text")
    return given


def _wrong(name: str, right: str) -> errors.ProblemError:
    return errors.ProblemError(
        errors.problem(400, "bad-parameter", f"{name} must be {right}.", parameter=name)
    )


def _line(gateway: Gateway, caller: ApiKey, asked: object) -> str:
    """The line in whose conversation it is recorded; it binds them all."""
    reached = [line for line in gateway.settings.lines if caller.reaches(line)]
    if asked is None and reached:
        return reached[0]
    if not isinstance(asked, str) or asked not in reached:
        raise _wrong("line", "a configured line that the key reaches: " + ", ".join(reached))
    return asked


async def _alias(gateway: Gateway, conversations: Sequence[Conversation]) -> Alias | None:
    """An identifier of the person that a conversation's id stands for, from what may still be opened."""
    streams = [stream for one in conversations for stream in one.streams]
    history = [one.event for one in await gateway.log.history(streams) if isinstance(one, Recorded)]
    for event, content in zip(history, await gateway.log.opened(history), strict=True):
        for name in ("contact", "from", "recipient", "to", "user_id"):
            value = (content or {}).get(name)
            is_ours = name == "from" and getattr(event, "direction", None) == "outbound"
            if isinstance(value, str) and not is_ours and (alias := telling.person(value)):
                return alias
    return None


def _choice(choice: Choice | None) -> dict[str, Any] | None:
    return None if choice is None else views.readable(consents.recorded(choice))
