"""What an answer of the Graph API means for a send, judged by its error code, not by its HTTP status.

The table is section 7 of the Cloud API reference. A code that is not in it means failed when the HTTP
status is 4xx (WhatsApp named a fault and blames the request) and unknown otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

Json = dict[str, Any]


class Verdict(StrEnum):
    """Whether a send that got this code may be tried again."""

    SAFE = "safe"
    """Rejected before processing: the same send may go again."""
    NO = "no"
    """Rejected: the same send would be rejected again."""
    UNSAFE = "unsafe"
    """It may have been sent: a repetition may double it."""


_SAFE: Final = (4, 80007, 130429, 131056, 133000)
_UNSAFE: Final = (1, 2, 131000, 131016, 131057, 133004)
_NO: Final = (
    *(0, 3, 10, 33, 100, 190, *range(200, 300), 368),
    *(130403, 130472, 130497),
    *(131005, 131008, 131009, 131020, 131021, 131026, 131030, 131031, 131037, 131041, 131042, 131044, 131045),
    *(131047, 131048, 131049, 131050, 131051, 131052, 131053, 131055, 131059),
    *(131061, 131062, 131063, 131064, 131065, 131070),
    *(131201, 131202, 131204, 131207, 131208, *range(131209, 131216)),
    *(132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018, 132068, 132069),
    *(133005, 133006, 133008, 133009, 133010, 133015, 133016),
    *(134011, 134100, 134101, 134102, 135000, 137000),
)

VERDICTS: Final[Mapping[int, Verdict]] = {
    code: verdict
    for verdict, codes in ((Verdict.SAFE, _SAFE), (Verdict.NO, _NO), (Verdict.UNSAFE, _UNSAFE))
    for code in codes
}
"""Every code of the reference that a send can get."""


_TITLES: Final[Mapping[int, str]] = {
    0: "Access token not accepted",
    4: "Too many calls of the app",
    10: "Permission denied",
    33: "Phone number id unknown or deleted",
    100: "Invalid parameter",
    190: "Access token expired",
    368: "Blocked for policy violations",
    130429: "Throughput of the line reached",
    130472: "The person is in an experiment",
    130497: "Business restricted from this country",
    131000: "Something went wrong at WhatsApp",
    131005: "Access denied",
    131008: "Required parameter missing",
    131009: "Parameter value invalid",
    131016: "Service unavailable",
    131021: "Sender and recipient are the same",
    131026: "Undeliverable to this person",
    131031: "Account locked",
    131042: "Payment issue",
    131047: "More than 24 hours since the person last wrote",
    131048: "Spam rate limit",
    131049: "Held back to keep the ecosystem healthy",
    131050: "The person stopped marketing messages",
    131051: "Unsupported message type",
    131052: "Media of the person not downloaded",
    131053: "Media not uploaded",
    131056: "Too many messages to this person",
    132000: "Number of template parameters does not match",
    132001: "Template not found or not approved",
    132005: "Template text too long",
    132012: "Template parameter of the wrong kind",
    132015: "Template paused",
    132016: "Template disabled",
    132018: "Template parameter with forbidden characters",
}


def title_of(code: int) -> str:
    """What an error code means, in our own words (Cloud API reference, section 7)."""
    return _TITLES.get(code, "See WhatsApp's error codes")


@dataclass(frozen=True, slots=True)
class Accepted:
    """WhatsApp took the send; its statuses will tell the rest."""

    message_id: str = field(repr=False)
    wa_id: str | None = field(default=None, repr=False)
    """The number as WhatsApp knows it, which may differ from the one sent to."""
    user_id: str | None = field(default=None, repr=False)
    parent_user_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """WhatsApp did not and will not send it."""

    code: int
    safe: bool
    """Whether the same send may be tried again."""


@dataclass(frozen=True, slots=True)
class Unsure:
    """It may have been sent. `cause`: unsafe_code, unlisted_code or no_graph_answer."""

    code: int | None
    cause: str


LARGEST_CODE: Final = 2**63 - 1
"""Codes are bigint in the tables; a larger one is none that Graph gave."""

Judgement = Accepted | Rejected | Unsure


def judge(http_status: int, body: bytes) -> Judgement:
    """What the answer to one POST of a send means."""
    answer = _json(body)
    match answer:
        case {"messages": [{"id": str(message_id)}, *_]} if message_id and http_status == HTTPStatus.OK:
            return Accepted(message_id, **_contact(answer))
        case {"error": {"code": int(code)}} if not isinstance(code, bool) and abs(code) <= LARGEST_CODE:
            return _judge_code(http_status, code)
        case _:
            return Unsure(None, "no_graph_answer")


def _judge_code(http_status: int, code: int) -> Judgement:
    match VERDICTS.get(code):
        case Verdict.UNSAFE:
            return Unsure(code, "unsafe_code")
        case Verdict.SAFE | Verdict.NO as verdict:
            return Rejected(code, safe=verdict is Verdict.SAFE)
        case None if 400 <= http_status < 500:  # noqa: PLR2004 - the class of HTTP statuses that blame the request
            return Rejected(code, safe=False)
        case None:
            return Unsure(code, "unlisted_code")


def cloud_to_onprem(code: int) -> int:
    """The code a client of the on-premises API gets for an upstream failure.

    Anything that has no counterpart, and trouble of the gateway's own account, is the generic 1000.
    """
    return _ONPREM.get(code, 1000)


_ONPREM: Final[Mapping[int, int]] = {
    100: 1009,
    130429: 1015,
    131008: 1008,
    131009: 1009,
    131026: 1013,
    131031: 1031,
    131042: 402,
    131047: 470,
    131048: 471,
    131051: 501,
    131056: 1015,
    132000: 2000,
    132001: 2001,
    132005: 2005,
    132012: 2012,
    132015: 2061,
    132016: 2062,
    132018: 2006,
}


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _contact(answer: object) -> dict[str, str]:
    """By which identifiers WhatsApp knows the recipient; nothing where it does not say."""
    match answer:
        case {"contacts": [dict(contact), *_]}:
            named = {name: contact.get(name) for name in ("wa_id", "user_id", "parent_user_id")}
            return {name: value for name, value in named.items() if isinstance(value, str) and value}
        case _:
            return {}
