"""A template as WhatsApp lists it: what a send of it has to fill in (formatting reference, section 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

_PLACEHOLDER: Final = re.compile(r"\{\{([A-Za-z0-9_]+)\}\}")
_SIMPLE: Final = frozenset({"HEADER", "BODY", "FOOTER", "BUTTONS"})


@dataclass(frozen=True, slots=True)
class Header:
    """`format` is TEXT, IMAGE, VIDEO, DOCUMENT, LOCATION, or a newer word."""

    format: str
    text: str


@dataclass(frozen=True, slots=True)
class Button:
    """`type` is QUICK_REPLY, URL, COPY_CODE, PHONE_NUMBER, ..."""

    type: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Definition:
    """The four plain components; texts are empty where there is none."""

    category: str
    named: bool
    """Parameters go by name, not by place."""
    header: Header | None
    body: str
    footer: str
    buttons: tuple[Button, ...]


def read(template: Json) -> Definition | None:
    """The definition; None when it has components, or shapes, that this release doesn't know."""
    components = template.get("components")
    if not isinstance(components, list):
        return None
    found: dict[str, Json] = {}
    for one in components:
        kind = word(one.get("type")) if isinstance(one, dict) else ""
        if kind not in _SIMPLE or kind in found:
            return None
        found[kind] = one
    if "BODY" not in found:
        return None
    header, buttons = found.get("HEADER"), found.get("BUTTONS", {}).get("buttons", [])
    if not isinstance(buttons, list) or not all(isinstance(one, dict) for one in buttons):
        return None
    return Definition(
        category=word(template.get("category")),
        named=word(template.get("parameter_format")) == "NAMED",
        header=Header(word(header.get("format")), _text(header.get("text"))) if header else None,
        body=_text(found["BODY"].get("text")),
        footer=_text(found.get("FOOTER", {}).get("text")),
        buttons=tuple(
            Button(word(one.get("type")), _text(one.get("text")), _text(one.get("url"))) for one in buttons
        ),
    )


def placeholders(text: str) -> tuple[str, ...]:
    """The distinct names, or numbers, that `text` leaves to be filled in, as they come."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))


def hydrated(text: str, values: Mapping[str, str]) -> str:
    """`text` with its placeholders filled in; those without a value stay."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def word(value: object) -> str:
    """A word in capitals: senders write components small, WhatsApp lists them large."""
    return value.upper() if isinstance(value, str) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
