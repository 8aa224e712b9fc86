"""From the bytes of a callback to its items, each in its place (webhooks reference, section 2)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from domain.consent_words import DEFAULT_WORDS, ConsentWords
from domain.events import UnrecognisedReceived
from domain.facts import Fact, Item
from domain.ids import Ids
from domain.inbound import wire
from domain.inbound.calls import call, call_status
from domain.inbound.context import Context
from domain.inbound.messages import echo, history, received
from domain.inbound.notices import LISTED, WHOLE, about_owner
from domain.inbound.statuses import status
from domain.inbound.wire import Json
from domain.openers import Openers

Translate = Callable[[Context, Json], Fact | Iterable[Fact]]

_MESSAGES: Final[Mapping[str, Translate]] = {
    "messages": received,
    "message_echoes": echo,
    "statuses": status,
    "history": history,
    "errors": about_owner,
    "user_actions": about_owner,
}
_LISTS: Final[Mapping[str, Mapping[str, Translate]]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("messages", "smb_message_echoes", "message_echoes", "history", "standby"), _MESSAGES
        ),
        "calls": {"calls": call, "statuses": call_status, "errors": about_owner},
        **LISTED,
    }
)
"""By field: the lists in its value, and what makes a fact of each of their items."""

_SOURCES: Final = {
    "smb_message_echoes": "echo",
    "message_echoes": "echo",
    "history": "history",
    "standby": "standby",
}
_SURROUNDINGS: Final = frozenset({"messaging_product", "metadata", "contacts"})


def updates(
    body: bytes, *, ids: Ids, openers: Openers, recorded_at: datetime, words: ConsentWords = DEFAULT_WORDS
) -> Iterator[Sequence[Fact]]:
    """The facts of each update of a signed callback, in order; never raises on what WhatsApp sent."""
    at = Context(ids, openers, recorded_at, words)
    try:
        parsed = wire.load(body)
    except ValueError as error:
        yield [_raw(at, body, "too deep" if isinstance(error, wire.TooDeepError) else "not JSON")]
        return
    for here, item, translate in _items(at, parsed):
        yield _safely(here, item, body, translate)


Placed = tuple[Context, Any, Translate]
"""An item, where it stood, and what makes facts of it."""


def _items(at: Context, parsed: Any) -> Iterator[Placed]:
    entries = parsed.get("entry") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        yield at, parsed, _unrecognised("no entry")
        return
    for entry in entries:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        if not isinstance(changes, list):
            yield at, entry, _unrecognised("no changes")
            continue
        account, time = wire.object_id(entry.get("id")) or "unknown", wire.seconds(entry.get("time"))
        here = at.of_entry(account, time)
        for change in changes:
            yield from _of_change(here, change)


def _of_change(at: Context, change: Any) -> Iterator[Placed]:
    match change:
        case {"field": str(field), "value": dict(value)}:
            here = at.inside(field, value, _SOURCES.get(field, "live"))
        case _:
            yield at, change, _unrecognised("no field or value")
            return
    if field in WHOLE:
        yield here, value, WHOLE[field]
    elif field in _LISTS:
        yield from _of_lists(here, value, _LISTS[field])
    else:
        yield here, value, _unrecognised("unknown field")


def _of_lists(at: Context, value: Json, lists: Mapping[str, Translate]) -> Iterator[Placed]:
    names = [name for name in value if name not in _SURROUNDINGS]
    if all(value[name] == [] for name in names):
        yield at, value, _unrecognised("no items")
    for name in names:
        items, translate = value[name], lists.get(name)
        if translate is None or not isinstance(items, list):
            yield at, {name: items}, _unrecognised("unknown key")
            continue
        inside = at.in_list(name)
        for item in items:
            if isinstance(item, dict):
                yield inside, item, translate
            else:
                yield at, {name: item}, _unrecognised("not an object")


def _unrecognised(reason: str) -> Callable[[Context, Any], Fact]:
    return lambda at, item: at.unrecognised(item, reason)


def _safely(at: Context, item: Any, body: bytes, translate: Translate) -> Sequence[Fact]:
    """One bad item never costs the others: whatever can't be translated is kept as it came."""
    try:
        wire.canonical(item)
        made = translate(at, item)
        return [made] if isinstance(made, Fact) else list(made)
    except wire.TooDeepError:
        return [_raw(at, body, "too deep")]
    except Exception as error:  # noqa: BLE001 - a mistake of ours must not make WhatsApp send it for seven days
        return [at.unrecognised(item, f"not understood: {type(error).__name__}")]


def _raw(at: Context, body: bytes, reason: str) -> Fact:
    """A whole body that is no JSON we could write again, byte by byte."""
    public = {"reason": reason, "field": at.public_field if at.field else None, "account": at.account}
    private = {"body": base64.b64encode(body).decode()}
    key = at.ids.key("body", body)
    return at.fact(UnrecognisedReceived, Item(at.account), key, public=public, private=private)
