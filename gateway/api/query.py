"""Query parameters, each refused by name when it is wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from gateway import errors

LAST_EVENT_ID: Final = "Last-Event-ID"
MAX_LIMIT: Final = 1_000
MAX_POSITION: Final = 2**63 - 1
FIRST_DAY: Final = date(1970, 1, 2)
LAST_DAY: Final = date(9998, 12, 31)
"""Days that are days in every time zone."""


def bad(name: str, value: str, right: str) -> errors.ProblemError:
    """A 400 that names the parameter and says what would be right."""
    detail = f"{name}={value[:64]!r} is not {right}."
    return errors.ProblemError(errors.problem(400, "bad-parameter", detail, parameter=name))


def wanted(name: str, right: str) -> errors.ProblemError:
    """A 400 that names what is missing, or of a kind that can't be quoted, and says what would be right."""
    return errors.ProblemError(
        errors.problem(400, "bad-parameter", f"{name} must be {right}.", parameter=name)
    )


def not_found(detail: str) -> errors.ProblemError:
    """A 404 in our own dialect."""
    return errors.ProblemError(errors.problem(404, "not-found", detail))


def integer(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """An integer within bounds."""
    text = request.query.get(name)
    return default if text is None else _whole(name, text, low, high)


def _whole(name: str, text: str, low: int, high: int) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1  # noqa: PLR2004 - bigint
    if not low <= value <= high:
        raise bad(name, text, f"a whole number from {low} to {high}")
    return value


def last_event_id(request: web.Request) -> int:
    """Where a stream goes on: `Last-Event-ID`, else `after`."""
    text = request.headers.get(LAST_EVENT_ID)
    return after(request) if text is None else _whole(LAST_EVENT_ID, text, 0, MAX_POSITION)


def after(request: web.Request) -> int:
    """The exclusive cursor of a page: a position of this log."""
    return integer(request, "after", 0, 0, MAX_POSITION)


def limit(request: web.Request) -> int:
    """How many a page may hold."""
    return integer(request, "limit", 100, 1, MAX_LIMIT)


def moment(request: web.Request, name: str) -> datetime | None:
    """A time with its zone (RFC 3339)."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        # A plus that was not escaped arrives as a space.
        value = datetime.fromisoformat(text.replace(" ", "+")).astimezone(UTC)
        if datetime.fromisoformat(text.replace(" ", "+")).tzinfo is None:
            raise bad(name, text, "a time with a zone, such as 2026-11-23T09:30:00Z")
    except (ValueError, OverflowError):
        raise bad(name, text, "a time such as 2026-11-23T09:30:00Z") from None
    return value


def line(request: web.Request) -> str | None:
    """The line asked for, if any."""
    text = request.query.get("line")
    if text is not None and not (text.isascii() and text.isdigit()):
        raise bad("line", text, "a phone_number_id: digits")
    return text


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body, which must be a JSON object."""
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise errors.ProblemError(errors.problem(400, "bad-request", "The body must be a JSON object."))
    return body


def day(request: web.Request, name: str) -> date | None:
    """A day, YYYY-MM-DD."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        value = date.fromisoformat(text)
    except ValueError:
        raise bad(name, text, "a day such as 2026-11-23") from None
    if not FIRST_DAY <= value <= LAST_DAY:
        raise bad(name, text, f"a day from {FIRST_DAY} to {LAST_DAY}")
    return value
