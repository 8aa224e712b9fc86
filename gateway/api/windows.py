"""The window of a conversation: whether it is open, until when, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
from aiohttp import web

from domain import window as windows
from domain.events import CallReceived, MessageReceived, Recorded
from gateway import errors
from gateway.access import caller_of
from gateway.answers import rfc3339
from gateway.api import query, views
from gateway.auth import ApiKey, Scope
from gateway.gateway import GATEWAY, Gateway
from gateway.store.codec import decode
from gateway.store.directory import Conversation
from projections.window import Read

MAX_CONTACTS = 1_000
_WANTED: Final = 'a list of texts: the body is {"contacts": ["447700900123", …]}'


async def one(request: web.Request) -> web.Response:
    """GET …/conversations/{contact}/window[?at=]: as it is now, or was at a time in WhatsApp's clock."""
    gateway = request.app[GATEWAY]
    line, contact = request.match_info["line"], request.match_info["contact"]
    caller = caller_of(request, Scope.READ, line)
    at = query.moment(request, "at")
    conversation = await conversation_of(gateway, line, contact)
    async with gateway.pool.acquire() as db:
        seen = await gateway.windows.read(db, conversation.streams, decode)
    if at is not None:
        history = await gateway.log.history(conversation.streams)
        then = windows.as_of((item.event for item in _recorded(history)), int(at.timestamp()))
        seen = replace(seen, window=then)
    [opener] = await _openers(gateway, caller, [(conversation, seen)])
    return errors.json(_view(gateway, contact, line, seen, opener, at))


async def many(request: web.Request) -> web.Response:
    """POST /api/lines/{line}/windows {"contacts": [...]}: one answer each, in the order asked."""
    gateway = request.app[GATEWAY]
    line = request.match_info["line"]
    caller = caller_of(request, Scope.READ, line)
    contacts = await _contacts(request)
    found = [await gateway.log.conversation(line, contact) for contact in contacts]
    known = [conversation for conversation in found if conversation]
    async with gateway.pool.acquire() as db:
        reads = await gateway.windows.read_many(db, [one.streams for one in known], decode)
    pairs = list(zip(known, reads, strict=True))
    openers = await _openers(gateway, caller, pairs)
    seen = iter(zip(reads, openers, strict=True))
    return errors.json(
        {
            "windows": [
                _view(gateway, contact, line, *next(seen), None)
                if conversation
                else _never_seen(line, contact)
                for contact, conversation in zip(contacts, found, strict=True)
            ]
        }
    )


def _never_seen(line: str, contact: str) -> dict[str, Any]:
    return {"line": line, "contact": contact, "error": "not-found"}


async def conversation_of(gateway: Gateway, line: str, contact: str) -> Conversation:
    """The conversation a path names; 404 when this log never saw it."""
    conversation = await gateway.log.conversation(line, contact)
    if conversation is None:
        raise query.not_found(f"Line {line} has no conversation with this contact.")
    return conversation


async def _contacts(request: web.Request) -> list[str]:
    try:
        contacts = orjson.loads(await request.read())["contacts"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise query.wanted("contacts", _WANTED) from None
    if not isinstance(contacts, list) or not all(isinstance(contact, str) for contact in contacts):
        raise query.wanted("contacts", _WANTED)
    if len(contacts) > MAX_CONTACTS:
        raise query.wanted("contacts", f"at most {MAX_CONTACTS} contacts, not {len(contacts)}")
    return contacts


def _view(
    gateway: Gateway, contact: str, line: str, seen: Read, opener: str | None, at: datetime | None
) -> dict[str, Any]:
    decided_at = at or gateway.clock()
    window = seen.window
    return {
        "line": line,
        "contact": contact,
        "open": window.is_open(int(decided_at.timestamp())),
        "open_until": _time(windows.open_until(window)),
        "sendable_until": _time(windows.sendable_until(window, gateway.settings.margin(line))),
        "opened_by": opener,
        "free_entry_point_until": _time(window.free_entry_until),
        "disputed_by": windows.disputed_by(window),
        "mode": gateway.settings.mode(line),
        "known_since": _time(seen.known_since),
        "as_of": seen.as_of,
        "decided_at": views.moment(decided_at),
    }


async def _openers(
    gateway: Gateway, caller: ApiKey, pairs: Sequence[tuple[Conversation, Read]]
) -> list[str | None]:
    """What opened each window: its own id to a key that may open content, its keyed id otherwise."""
    keys = [None if windows.open_until(seen.window) is None else seen.window.opened_by for _, seen in pairs]
    if not caller.may(Scope.CONTENT):
        return keys
    return [
        await _named(gateway, conversation, key) if key else None
        for (conversation, _), key in zip(pairs, keys, strict=True)
    ]


async def _named(gateway: Gateway, conversation: Conversation, key: str) -> str:
    for item in reversed(_recorded(await gateway.log.history(conversation.streams))):
        match item.event:
            case MessageReceived(message_key=found) | CallReceived(call_key=found) if found == key:
                [content] = await gateway.log.opened([item.event])
                opened = content or {}
                return str(opened.get("message_id") or opened.get("call_id") or key)
            case _:
                continue
    return key


def _recorded(page: Iterable[object]) -> list[Recorded]:
    return [one for one in page if isinstance(one, Recorded)]


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
