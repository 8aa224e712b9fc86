"""What the person will read of a template."""

from __future__ import annotations

from typing import Any

from domain.templates.definition import Button, Definition, hydrated
from domain.templates.sending import Filling, filling, values

Json = dict[str, Any]


def render(template: Json, definition: Definition) -> str | None:
    """Header, body, footer and buttons as lines of text; None when the send holds what can't be told."""
    filled = filling(template)
    if filled is None:
        return None
    parts = [
        _header(definition, filled),
        hydrated(definition.body, values(definition.body, filled.body, named=definition.named)),
        definition.footer,
        *(_button(number, one, filled) for number, one in enumerate(definition.buttons)),
    ]
    return "\n".join(part for part in parts if part)


def _header(definition: Definition, filled: Filling) -> str:
    header = definition.header
    if header is None:
        return ""
    if header.format != "TEXT":
        return f"[{header.format.lower()}]"
    return hydrated(header.text, values(header.text, filled.header, named=definition.named))


def _button(number: int, button: Button, filled: Filling) -> str:
    if not button.url:
        return f"[{button.text}]"
    own = filled.buttons.get(number)
    url = hydrated(button.url, values(button.url, own.parameters, named=False)) if own else button.url
    return f"[{button.text}: {url}]"
