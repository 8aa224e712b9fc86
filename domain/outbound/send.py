"""A send as the decision needs it, and the body of it that goes to WhatsApp."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from domain.outbound.body import unpacked
from domain.outbound.request import CLOUD, Dialect, Face, Json, Malformed, SendRequest
from domain.outbound.whom import whom
from domain.policy import Kind

_WORD: Final = re.compile(r"[a-z_]{1,32}")
_TEMPLATE_NAME: Final = re.compile(r"(?=[0-9_]*[a-z])[a-z0-9_]{1,512}")
"""With a letter: digits alone might be somebody's number, put in the wrong place."""
_LANGUAGE: Final = re.compile(r"[A-Za-z_]{2,16}")
_DIRECT_TYPES: Final = frozenset({"text", "interactive"})
_DIRECT_CATEGORIES: Final = frozenset({"utility", "authentication"})


def send_of(body: Json, dialect: Dialect) -> SendRequest | Malformed:
    """The send that a body asks for, or what is wrong with it."""
    to = whom(body, dialect)
    if isinstance(to, Malformed):
        return to
    body = unpacked(body)
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
        **to,
    )


def recalled(face: Face, body: Json) -> SendRequest:
    """A send that was well-formed before, from the `body` that was kept of it."""
    parsed = send_of(body, CLOUD)
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


def _kind(word: str, category: str | None) -> Kind:
    if word == "template":
        return "template"
    if word in _DIRECT_TYPES and category in _DIRECT_CATEGORIES:
        return "direct_send"
    return "free_form"


def _content_type(body: Json, dialect: Dialect) -> str | Malformed:
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
