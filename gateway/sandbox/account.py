"""What the account changes of its number: profile, block list, registration; kept in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from gateway.sandbox import ids
from gateway.sandbox.refusal import Refusal
from gateway.sandbox.requests import VERSION, json_object, of_line

PROFILE_FIELDS: Final = frozenset({"about", "address", "description", "email", "vertical", "websites"})


@dataclass(slots=True)
class Number:
    """What was changed so far; `blocked` by the user as given."""

    profile: dict[str, Any] = field(default_factory=lambda: {"about": "Sandbox", "vertical": "OTHER"})
    blocked: dict[str, dict[str, str]] = field(default_factory=dict)


NUMBER: Final = web.AppKey("number", Number)


def add_routes(app: web.Application) -> None:
    """Mount the routes of the number."""
    app[NUMBER] = Number()
    profile = VERSION + "/{line}/whatsapp_business_profile"
    app.router.add_get(profile, look_up)
    app.router.add_post(profile, change)
    blocked = VERSION + "/{line}/block_users"
    app.router.add_get(blocked, list_blocked)
    app.router.add_post(blocked, block)
    app.router.add_delete(blocked, unblock)
    app.router.add_post(VERSION + "/{line}/register", register)
    app.router.add_post(VERSION + "/{line}/deregister", deregister)


async def look_up(request: web.Request) -> web.Response:
    """The profile that customers see."""
    of_line(request)
    profile = {"messaging_product": "whatsapp"} | request.app[NUMBER].profile
    wanted = request.query.get("fields", "").split(",")
    asked = {name: value for name, value in profile.items() if name in wanted or wanted == [""]}
    return web.json_response({"data": [asked]})


async def change(request: web.Request) -> web.Response:
    """Another profile."""
    of_line(request)
    body = await json_object(request)
    unknown = body.keys() - PROFILE_FIELDS - {"messaging_product", "profile_picture_handle"}
    if unknown:
        raise Refusal(100, f"Unexpected field {min(unknown)} in the profile.")
    request.app[NUMBER].profile |= {name: body[name] for name in PROFILE_FIELDS & body.keys()}
    return web.json_response({"success": True})


async def list_blocked(request: web.Request) -> web.Response:
    """Who is blocked."""
    of_line(request)
    people = [{"messaging_product": "whatsapp", **one} for one in request.app[NUMBER].blocked.values()]
    return web.json_response({"data": people, "paging": {"cursors": {"before": "A", "after": "B"}}})


async def block(request: web.Request) -> web.Response:
    """Block customers."""
    named = await _people(request)
    request.app[NUMBER].blocked |= named
    return _changed("added_users", named)


async def unblock(request: web.Request) -> web.Response:
    """Unblock customers."""
    named = await _people(request)
    for given in named:
        request.app[NUMBER].blocked.pop(given, None)
    return _changed("removed_users", named)


async def register(request: web.Request) -> web.Response:
    """Registration, which changes nothing here."""
    of_line(request)
    pin = (await json_object(request)).get("pin")
    if not (isinstance(pin, str) and len(pin) == 6 and pin.isdecimal()):  # noqa: PLR2004 - WhatsApp's length
        raise Refusal(100, "The parameter pin must have 6 digits.")
    return web.json_response({"success": True})


async def deregister(request: web.Request) -> web.Response:
    """Deregistration, which changes nothing here."""
    of_line(request)
    return web.json_response({"success": True})


async def _people(request: web.Request) -> dict[str, dict[str, str]]:
    of_line(request)
    users = (await json_object(request)).get("block_users")
    if not isinstance(users, list) or not users or not all(isinstance(user, dict) for user in users):
        raise Refusal(131008, "The parameter block_users is required: a list of objects.")
    named = {}
    for user in users:
        given = str(user.get("user") or user.get("user_id"))
        digits = "".join(char for char in given if char.isdecimal())
        key, known = (given, "user_id") if ids.BSUID.fullmatch(given) else (digits, "wa_id")
        named[key] = {"input": given, known: key}
    return named


def _changed(word: str, named: dict[str, dict[str, str]]) -> web.Response:
    return web.json_response({"messaging_product": "whatsapp", "block_users": {word: list(named.values())}})
