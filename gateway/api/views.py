"""How the log is shown: public facts to `read`, opened content to `content`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from aiohttp import web

from domain.events import Event, Recorded
from gateway import errors
from gateway.answers import rfc3339
from gateway.auth import ApiKey, Scope
from gateway.gateway import Gateway
from gateway.silence import Silence

_OUTSIDE: Final = frozenset({"originator_id", "originator_version", "timestamp", "sealed", "at"})
_TIMES: Final = frozenset({"at", "at_used", "dispatched_at", "expires_at", "open_until", "limited_at"})


async def events(gateway: Gateway, recorded: list[Recorded], caller: ApiKey) -> list[dict[str, Any]]:
    """Events as the API shows them; content is opened only for a key that may."""
    shown = [event(one) for one in recorded]
    if caller.may(Scope.CONTENT):
        opened = await gateway.log.opened([one.event for one in recorded])
        for view, one, content in zip(shown, recorded, opened, strict=True):
            with_content(view, one, content)
    return shown


def with_content(view: dict[str, Any], recorded: Recorded, content: dict[str, Any] | None) -> dict[str, Any]:
    """The event with what was sealed, or with the word that its key is gone."""
    if content is not None:
        view["data"]["opened"] = content
    elif recorded.event.sealed is not None:
        view["data"]["erased"] = True
    return view


async def page(gateway: Gateway, caller: ApiKey, found: list[Recorded], last: int) -> web.Response:
    """A page of the log; `last` is the position it looked at last."""
    shown = await events(gateway, found, caller)
    return errors.json({"log": str(gateway.log.log_id), "events": shown, "next": last})


def event(recorded: Recorded) -> dict[str, Any]:
    """One event: where it stands, when it happened, and its public facts."""
    one = recorded.event
    at = getattr(one, "at_used", None)
    return {
        "position": recorded.position,
        "topic": one.TOPIC,
        "event_version": getattr(type(one), "class_version", 1),
        "stream": str(one.originator_id),
        "version": one.originator_version,
        "at": None if at is None else rfc3339(at),
        "recorded_at": moment(one.timestamp),
        "data": facts(one),
    }


def facts(one: Event) -> dict[str, Any]:
    """The public facts of an event, times as RFC 3339."""
    return readable({name: value for name, value in vars(one).items() if name not in _OUTSIDE})


def silence(found: Silence | None) -> dict[str, Any] | None:
    """The alarm of a line."""
    return {"since": moment(found.since), "expected_every": found.expected_every} if found else None


def moment(at: datetime) -> str:
    """Our own time as RFC 3339, to the millisecond."""
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def readable(data: dict[str, Any]) -> dict[str, Any]:
    """Facts with their times as RFC 3339."""
    shown: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            shown[name] = readable(value)
        elif name in _TIMES and isinstance(value, int):
            shown[name] = rfc3339(value)
        else:
            shown[name] = value
    return shown
