"""A delivery that says nothing, to try a destination with; and what its answer means, in plain words."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.destinations import cloudevents, whatsapp
from domain.destinations.model import Format
from domain.destinations.verdict import BUSY, Wait, judge

SLOW: Final = 2.0
"""Seconds from which an answer is called slow."""
LIMIT: Final = 10
"""Seconds that a destination has."""

_WORDS: Final = {
    200: "taken",
    301: "a redirect, and redirects are not followed: give the URL that it leads to",
    400: "it does not like the body: is the format the one that it expects?",
    401: "it wants other credentials: is the secret the one that it checks? Is a header missing?",
    404: "there is nothing at this path",
    405: "it takes no POST at this path",
    410: "Gone: a destination that says so is disabled at once, and gets nothing more",
    413: "it takes no body of this size; events can have megabytes",
    415: "it does not take this content type: `whatsapp` is application/json, `events` is "
    "application/cloudevents+json",
    429: "it is asked too often",
    500: "it broke over the delivery: its own log says why",
    502: "what stands before it (a proxy, a balancer) gets no answer from it",
    503: "it is away or too busy, or what stands before it says so",
}
_ALIASES: Final = {403: 401, 422: 400, 501: 405, 504: 502}
_ERRORS: Final = {
    "ClientConnectorDNSError": "its name is not known to the resolver (DNS)",
    "ClientConnectorCertificateError": "its TLS certificate is not trusted: self-signed, expired, for "
    "another name, or sent without its intermediate certificate",
    "ClientConnectorSSLError": "it speaks no TLS at this port, or none that is still safe: is it http://?",
    "RefusedAddress": "its address is private, loopback or link-local, or it is http://; "
    "LEDGERLINE_DESTINATIONS_PRIVATE allows networks by name",
    "ClientConnectorError": "nothing listens there, or no way leads there: is the port right?",
    "ConnectionTimeoutError": "it can't be reached: a firewall that drops packets, or the wrong address",
    "ServerDisconnectedError": "it closed the connection without an answer",
}


def body(form: Format, *, log_id: UUID, key: UUID, now: datetime) -> tuple[str, bytes]:
    """Content type and bytes: a callback without items, or an event of a type that means nothing."""
    if form == "whatsapp":
        change = {"value": {"messaging_product": "whatsapp", "statuses": []}, "field": "messages"}
        callback = {"object": "whatsapp_business_account", "entry": [{"id": "0", "changes": [change]}]}
        return "application/json", whatsapp.written(callback)
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    view: dict[str, Any] = {"topic": "Ping", "stream": str(log_id), "at": at, "position": 0}
    event = cloudevents.enveloped(view, log_id=log_id, event_id=str(key))
    return cloudevents.CONTENT_TYPE, json.dumps(event).encode()


def of_status(status: int) -> str:
    """What a destination's status means."""
    known = _ALIASES.get(status, status)
    text = _WORDS.get(known) or _WORDS.get(max(100, status // 100 * 100))
    if status // 100 == 3:  # noqa: PLR2004 - every redirect
        text = _WORDS[301]
    return f"HTTP {status}: {text or 'no answer that deliveries count as taken'}"


def of_pause(status: int, retry_after: str | None, now: datetime) -> str | None:
    """What deliveries do about an answer that may ask for a pause; None for any other."""
    if status not in BUSY:
        return None
    match judge(status, retry_after, now):
        case Wait(seconds):
            return f"its Retry-After is honoured: nothing goes there for {seconds:.0f} s"
        case _:
            return "it gives no Retry-After (seconds or a date): that counts as any failure"


def of_error(error: str) -> str:
    """What it means that there was no answer, by the class of the error."""
    if "Timeout" in error and error not in _ERRORS:
        return f"no answer within {LIMIT} seconds: it should take a delivery first, and work on it later"
    return _ERRORS.get(error, f"no answer that could be read ({error})")


def doubts(seconds: float, content_type: str | None) -> list[str]:
    """What is strange about a delivery that was taken."""
    found = []
    if seconds >= SLOW:
        found.append(
            f"slow: {seconds:.1f} s, of {LIMIT} at most; a conversation's events go one after the other"
        )
    if content_type == "text/html":
        found.append("it answered with a web page: is this the hook, or a login or a front page?")
    return found
