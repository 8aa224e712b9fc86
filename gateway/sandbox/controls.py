"""The sandbox's controls: what customers do, what time it is, what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from gateway.sandbox import ids
from gateway.sandbox.callbacks import Update
from gateway.sandbox.faults import KINDS, Fault
from gateway.sandbox.network import Accepted
from gateway.sandbox.simulator import Simulator
from gateway.sandbox.templates import CATEGORIES

PATIENCE: Final = 2.0
"""Seconds that a control waits for the gateway to acknowledge what it set off."""
STATUSES: Final = ("APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED", "DELETED")
GIVEN_BY_WHATSAPP: Final = ("id", "timestamp", "from", "from_user_id")


def add_controls(app: web.Application, simulator: Simulator) -> None:
    """Mount the controls under /sandbox on any application."""
    controls = Controls(simulator)
    add = app.router.add_route
    add("POST", "/sandbox/customers/{customer}/messages", _named(controls.write))
    add("POST", "/sandbox/customers/{customer}/calls", _named(controls.call))
    add("POST", "/sandbox/customers/{customer}/reads", _named(controls.read))
    add("POST", "/sandbox/templates/{name}", _named(controls.change_template))
    add("POST", "/sandbox/clock", _named(controls.advance))
    add("GET", "/sandbox/clock", _named(controls.time))
    add("GET", "/sandbox/messages", _named(controls.messages))
    add("POST", "/sandbox/faults", _named(controls.ask_for_trouble))
    add("GET", "/sandbox/faults", _named(controls.trouble))
    add("DELETE", "/sandbox/faults", _named(controls.no_more_trouble))
    add("GET", "/sandbox/idle", _named(controls.idle))


class Wrong(Exception):  # noqa: N818 - it is the caller's
    """A control that cannot be followed; says which field is wrong and what would be right."""


def _named(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[..., Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Wrong as wrong:
            return web.json_response({"error": str(wrong)}, status=400)

    return answer


class Controls:
    """The handlers."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def write(self, request: web.Request) -> web.Response:
        """A customer writes; answered when the gateway knows, or after two seconds."""
        item = await _json_object(request)
        _without(item, GIVEN_BY_WHATSAPP)
        if not isinstance(item.get("type"), str):
            raise Wrong('type is missing: a message looks like {"type":"text","text":{"body":"hi"}}')
        if not isinstance(item.get("group_id", ""), str):
            raise Wrong("group_id must be text")
        profile = item.pop("profile", {})
        name = profile.get("name") if isinstance(profile, dict) else None
        message_id, update = self._simulator.write(
            _customer(request), item, name=name if isinstance(name, str) else None
        )
        await _acknowledged([update])
        return web.json_response({"id": message_id})

    async def call(self, request: web.Request) -> web.Response:
        """A customer calls, hangs up, or answers."""
        item = await _json_object(request)
        _without(item, GIVEN_BY_WHATSAPP)
        if item.get("event") not in {"connect", "terminate"} and not isinstance(item.get("status"), str):
            raise Wrong('event must be "connect" or "terminate", or status the state of a call of ours')
        call_id, update = self._simulator.call(_customer(request), item)
        await _acknowledged([update])
        return web.json_response({"id": call_id})

    async def read(self, request: web.Request) -> web.Response:
        """A customer reads one message, or all."""
        message_id = (await _json_object(request)).get("message_id")
        read, updates = self._simulator.read(_customer(request), message_id)
        if message_id is not None and not read:
            raise Wrong("message_id names no delivered and unread message of this customer")
        await _acknowledged(updates)
        return web.json_response({"id": read[-1] if read else None, "ids": read})

    async def change_template(self, request: web.Request) -> web.Response:
        """WhatsApp pauses, disables, deletes, rejects, approves or recategorises a template."""
        wanted, name = await _json_object(request), request.match_info["name"]
        templates = [one for one in self._simulator.templates.values() if one.name == name]
        if not templates:
            raise Wrong("the template in the path is none of the sandbox's")
        status = _one_of(wanted, "status", STATUSES)
        category = _one_of(wanted, "category", CATEGORIES)
        await _acknowledged(self._simulator.change_template(name, status, category))
        changed = [one for one in self._simulator.templates.values() if one.name == name]
        return web.json_response({"templates": [one.entry() for one in changed]})

    async def advance(self, request: web.Request) -> web.Response:
        """Time passes."""
        seconds = _number(await _json_object(request), "advance_seconds", None)
        try:
            self._simulator.clock.advance(seconds)
        except ValueError as error:
            raise Wrong(f"advance_seconds {error}") from None
        return await self.time(request)

    async def time(self, _: web.Request) -> web.Response:
        """What time it is."""
        return web.json_response({"now": _time(self._simulator.clock.now())})

    async def messages(self, _: web.Request) -> web.Response:
        """What WhatsApp accepted; the same callback data again is the same message, counted."""
        rows: dict[str, dict[str, Any]] = {}
        for message in self._simulator.accepted.values():
            key = message.send.callback_data or message.message_id
            rows.setdefault(key, _row(message))["count"] += 1
        return web.json_response({"messages": list(rows.values())})

    async def ask_for_trouble(self, request: web.Request) -> web.Response:
        """A fault for the next requests or callbacks."""
        wanted = await _json_object(request)
        if wanted.get("kind") not in KINDS:
            raise Wrong(f"kind must be one of {', '.join(KINDS)}")
        self._simulator.faults.add(
            Fault(
                kind=wanted["kind"],
                times=_whole(wanted, "times", 1),
                seconds=_number(wanted, "seconds", 1.0),
                code=_whole(wanted, "code", 131000, least=0),
                http_status=_whole(wanted, "http_status", 0, least=0) or None,
            )
        )
        return await self.trouble(request)

    async def trouble(self, _: web.Request) -> web.Response:
        """The faults still to come."""
        return web.json_response({"faults": self._simulator.faults.listing()})

    async def no_more_trouble(self, request: web.Request) -> web.Response:
        """Forget the faults still to come."""
        self._simulator.faults.clear()
        return await self.trouble(request)

    async def idle(self, _: web.Request) -> web.Response:
        """Answers when every callback has been acknowledged."""
        await self._simulator.callbacks.settled()
        return web.json_response({"idle": True})


def _customer(request: web.Request) -> str:
    customer = request.match_info["customer"].removeprefix("+")
    if not (ids.BSUID.fullmatch(customer) or (customer.isascii() and customer.isdigit())):
        raise Wrong("the customer in the path must be a phone number in digits or a BSUID such as GB.123")
    return customer


def _row(message: Accepted) -> dict[str, Any]:
    return {
        "to": message.send.given,
        "type": message.send.type,
        "body": message.body,
        "message_id": message.message_id,
        "accepted_at": _time(datetime.fromtimestamp(message.at, UTC)),
        "count": 0,
    }


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


async def _acknowledged(updates: Iterable[Update]) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(update.acknowledged.wait() for update in updates)), PATIENCE)


async def _json_object(request: web.Request) -> dict[str, Any]:
    if not await request.read():
        return {}
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Wrong("the body must be a JSON object")
    return body


def _without(item: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name in item:
            raise Wrong(f"{name} must be left out: the simulator gives it")


def _one_of(item: dict[str, Any], name: str, words: Collection[str]) -> str | None:
    value = item.get(name)
    if value is None or (isinstance(value, str) and value in words):
        return value
    raise Wrong(f"{name} must be one of {', '.join(words)}")


def _number(item: dict[str, Any], name: str, default: float | None) -> float:
    value = item.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise Wrong(f"{name} must be a number of seconds, not negative")
    return float(value)


def _whole(item: dict[str, Any], name: str, default: int, *, least: int = 1) -> int:
    value = item.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Wrong(f"{name} must be a whole number, at least {least}")
    return value
