"""A caller's send: what the decision needs to know of it, and the body that goes to WhatsApp.

Only the recipient, the type, the object named by the type and the category are judged; every limit is
WhatsApp's to judge, and fields we do not know pass unchanged (Cloud API reference, sections 2 to 5 and 10).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from domain import markets
from domain.hsm import UntranslatableError
from domain.legacy import to_cloud
from domain.policy import Kind

Json = dict[str, Any]
Face = Literal["cloud", "on-premises"]


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A well-formed send. Exactly one of `to`, `recipient` and `group_id` is set."""

    face: Face
    kind: Kind
    type: str
    """A word fit for the open: what is no plain word is `unknown`, here and in `category`."""
    body: Json = field(repr=False)
    """As the caller wrote it; from the on-premises face, already in the Cloud API's shape."""
    to: str | None = field(default=None, repr=False)
    """Phone number, digits only."""
    recipient: str | None = field(default=None, repr=False)
    """Business-scoped user id."""
    group_id: str | None = field(default=None, repr=False)
    category: str | None = None
    """As declared for Direct Send."""
    template: str | None = None
    language: str | None = None
    callback_data: str | None = field(default=None, repr=False)
    """The caller's own biz_opaque_callback_data."""

    @property
    def contact(self) -> str:
        """Whom it is for: digits, business-scoped user id, or group id."""
        return self.group_id or self.to or self.recipient or ""

    @property
    def market(self) -> str | None:
        """The market prefix of the recipient."""
        if self.to:
            return markets.prefix_of_phone(self.to)
        return markets.prefix_of_bsuid(self.recipient) if self.recipient else None

    @property
    def is_to_us(self) -> bool:
        """Whether it goes to a number, or a person, of the USA."""
        return markets.is_us(self.market)


@dataclass(frozen=True, slots=True)
class Read:
    """A read receipt, with or without a typing indicator: no decision, no event."""

    body: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """What the caller must change; holds nothing of what the caller sent."""

    code: int
    """In the dialect of the caller's face."""
    field: str
    details: str


@dataclass(frozen=True, slots=True)
class _Dialect:
    face: Face
    missing: int
    wrong: int
    not_json: int


_CLOUD: Final = _Dialect("cloud", missing=131008, wrong=131009, not_json=100)
ONPREM: Final = _Dialect("on-premises", missing=1008, wrong=1009, not_json=1025)

_DEEPEST: Final = 100
"""Nesting that every writer of JSON between here and WhatsApp can still write."""

_SEPARATED: Final = re.compile(r"[0-9+\-() ]*")
_BSUID: Final = re.compile(r"[A-Z]{2}\..+", re.DOTALL)
_WORD: Final = re.compile(r"[a-z_]{1,32}")
_TEMPLATE_NAME: Final = re.compile(r"(?=[0-9_]*[a-z])[a-z0-9_]{1,512}")
"""With a letter: digits alone might be somebody's number, put in the wrong place."""
_LANGUAGE: Final = re.compile(r"[A-Za-z_]{2,16}")
_DIRECT_TYPES: Final = frozenset({"text", "interactive"})
_DIRECT_CATEGORIES: Final = frozenset({"utility", "authentication"})


def parse_cloud(body: bytes) -> SendRequest | Read | Malformed:
    """What a POST to `/messages` or `/marketing_messages` asks for."""
    parsed = json_object(body, _CLOUD)
    if isinstance(parsed, Malformed):
        return parsed
    if "status" in parsed and not parsed.keys() & {"to", "recipient", "type"}:
        return _read(parsed, _CLOUD)
    return _send(parsed, _CLOUD)


def parse_onprem(body: bytes) -> SendRequest | Malformed:
    """What a POST to `/v1/messages` asks for, in the Cloud API's shape (on-premises reference, section 3)."""
    parsed = json_object(body, ONPREM)
    if isinstance(parsed, Malformed):
        return parsed
    try:
        return _send(to_cloud(parsed), ONPREM)
    except UntranslatableError as error:
        code = ONPREM.missing if error.missing else ONPREM.wrong
        return Malformed(code, error.field, error.details)


def parse_onprem_read(body: bytes, message_id: str) -> Read | Malformed:
    """What a PUT to `/v1/messages/{message_id}` asks for, in the Cloud API's shape."""
    parsed = json_object(body, ONPREM)
    if isinstance(parsed, Malformed):
        return parsed
    # Nothing else is passed on: a typing indicator or a message is no read receipt of the old API.
    asked = {"messaging_product": "whatsapp", "status": parsed.get("status"), "message_id": message_id}
    return _read(asked, ONPREM)


def digits_of(number: str) -> str | None:
    """The digits of what is written as a phone number; None for what is not."""
    return re.sub(r"[^0-9]", "", number) or None if _SEPARATED.fullmatch(number) else None


def recalled(face: Face, body: Json) -> SendRequest:
    """A send that was well-formed before, from the `body` that was kept of it."""
    parsed = _send(body, _CLOUD)
    if isinstance(parsed, Malformed):
        raise ValueError(f"what was recorded of a send is malformed: {parsed.field}")  # noqa: TRY004 - not a type
    return replace(parsed, face=face)


def upstream_body(request: SendRequest, opaque: str) -> Json:
    """The body to POST to WhatsApp, with `opaque` as its biz_opaque_callback_data."""
    body = request.body | {"messaging_product": "whatsapp", "biz_opaque_callback_data": opaque}
    if request.to is not None:
        # Without the plus WhatsApp may put the business number's own country code in front.
        body["to"] = f"+{request.to}"
    return body


def json_object(body: bytes, dialect: _Dialect) -> Json | Malformed:
    """The body as an object that can be written again."""
    # Not orjson: it would turn an integer over 64 bits into a float, and refuse a lone surrogate.
    try:
        parsed = _DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return Malformed(dialect.not_json, "body", "The body is not JSON.")
    if not isinstance(parsed, dict):
        return Malformed(dialect.not_json, "body", "The body must be a JSON object.")
    if _is_deeper(parsed, _DEEPEST):
        return Malformed(dialect.not_json, "body", f"The body must not nest deeper than {_DEEPEST} levels.")
    return parsed


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _refuse_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError("a number too large to be written again")
    return number


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


def _read(body: Json, dialect: _Dialect) -> Read | Malformed:
    status = body.get("status")
    if status is None:
        return Malformed(dialect.missing, "status", "status is required and must be 'read'.")
    if status != "read":
        return Malformed(dialect.wrong, "status", "status must be 'read'.")
    message_id = body.get("message_id")
    if not message_id:
        return Malformed(dialect.missing, "message_id", "message_id is required with status 'read'.")
    if not isinstance(message_id, str):
        return Malformed(dialect.wrong, "message_id", "message_id must be a string.")
    return Read(body)


def _send(body: Json, dialect: _Dialect) -> SendRequest | Malformed:
    whom = _whom(body, dialect)
    if isinstance(whom, Malformed):
        return whom
    body = _unpacked(body)
    word = _content_type(body, dialect)
    if isinstance(word, Malformed):
        return word
    category, callback_data = body.get("category"), body.get("biz_opaque_callback_data")
    for name, value in (("category", category), ("biz_opaque_callback_data", callback_data)):
        if value is not None and not isinstance(value, str):
            return Malformed(dialect.wrong, name, f"{name} must be a string.")
    template, language = _template(body) if word == "template" else (None, None)
    return SendRequest(
        face=dialect.face,
        kind=_kind(word, category),
        type=_public(word),
        body=body,
        category=None if category is None else _public(category),
        template=template,
        language=language,
        callback_data=callback_data,
        **whom,
    )


def _kind(word: str, category: str | None) -> Kind:
    if word == "template":
        return "template"
    if word in _DIRECT_TYPES and category in _DIRECT_CATEGORIES:
        return "direct_send"
    return "free_form"


def _whom(body: Json, dialect: _Dialect) -> Mapping[str, str] | Malformed:
    """The one recipient, under the name of its field in SendRequest."""
    to, recipient, recipient_type = (body.get(name) for name in ("to", "recipient", "recipient_type"))
    if recipient_type not in (None, "individual", "group"):
        return Malformed(dialect.wrong, "recipient_type", "recipient_type must be 'individual' or 'group'.")
    if to in (None, ""):
        return _recipient(recipient, dialect, group=recipient_type == "group")
    if not isinstance(to, str):
        return Malformed(dialect.wrong, "to", "to must be a string.")
    return {"group_id": to} if recipient_type == "group" else _phone(to, dialect)


def _phone(to: str, dialect: _Dialect) -> Mapping[str, str] | Malformed:
    if _BSUID.fullmatch(to):
        details = "to holds a business-scoped user id; WhatsApp expects that in recipient."
        return Malformed(dialect.wrong, "recipient", details)
    digits = digits_of(to)
    if digits is None:
        details = "to must be a phone number: digits, optionally with + - ( ) and spaces."
        return Malformed(dialect.wrong, "to", details)
    return {"to": digits}


def _recipient(recipient: object, dialect: _Dialect, *, group: bool) -> Mapping[str, str] | Malformed:
    if group:
        return Malformed(dialect.missing, "to", "to is required and must be the group id.")
    if recipient in (None, ""):
        return Malformed(dialect.missing, "to", "to (or recipient) is required.")
    if not isinstance(recipient, str) or not _BSUID.fullmatch(recipient):
        details = "recipient must be a business-scoped user id: a country code, a dot and the id."
        return Malformed(dialect.wrong, "recipient", details)
    return {"recipient": recipient}


def _content_type(body: Json, dialect: _Dialect) -> str | Malformed:
    word = body.get("type")
    if word is None:
        word = "text"
    if not isinstance(word, str):
        return Malformed(dialect.wrong, "type", "type must be a string.")
    shown, content = _public(word), body.get(word)
    if content is None:
        return Malformed(dialect.missing, shown, f"The object named by type ({shown}) is required.")
    expected, shape = (list, "a list") if word == "contacts" else (dict, "an object")
    if not isinstance(content, expected):
        return Malformed(dialect.wrong, shown, f"What type names ({shown}) must be {shape}.")
    return word


def _unpacked(body: Json) -> Json:
    """The body with its content read where that came as JSON in a string, as Graph reads it too."""
    word = body.get("type", "text")
    content = body.get(word) if isinstance(word, str) else None
    if not isinstance(content, str):
        return body
    try:
        found = _DECODER.decode(content)
    except (ValueError, RecursionError):
        return body
    return body if _is_deeper(found, _DEEPEST - 1) else body | {word: found}


def _template(body: Json) -> tuple[str | None, str | None]:
    template = body["template"]
    language = template.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    return _matching(_TEMPLATE_NAME, template.get("name")), _matching(_LANGUAGE, code)


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    """`value` if it is fit for the open: what WhatsApp could not know either is not a name."""
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _public(word: str) -> str:
    return _matching(_WORD, word) or "unknown"
