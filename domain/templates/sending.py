"""What a send fills into a template (Cloud API reference, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from domain.templates.definition import placeholders, word

Json = dict[str, Any]

KINDS: Final = frozenset(
    {"text", "currency", "date_time", "image", "video", "document", "location", "payload", "coupon_code"}
)
"""Kinds of parameter that we can judge."""


@dataclass(frozen=True, slots=True)
class ForButton:
    """What a send fills into one button."""

    sub_type: str
    """In capitals: URL, QUICK_REPLY, COPY_CODE."""
    parameters: Sequence[Json]


@dataclass(frozen=True, slots=True)
class Filling:
    """The parameters of a send, by component; all of a kind in KINDS."""

    header: Sequence[Json] = ()
    body: Sequence[Json] = ()
    buttons: Mapping[int, ForButton] = field(default_factory=dict)


def filling(template: Json) -> Filling | None:
    """The filling of a send's template object; None when it holds anything that this release doesn't know."""
    components = template.get("components")
    if components is None:
        return Filling()
    if not isinstance(components, list):
        return None
    parts: dict[str, Sequence[Json]] = {}
    buttons: dict[int, ForButton] = {}
    for one in components:
        parameters = _parameters(one) if isinstance(one, dict) else None
        if parameters is None:
            return None
        kind = word(one.get("type"))
        if kind == "BUTTON":
            index = _index(one.get("index"))
            if index is None or index in buttons:
                return None
            buttons[index] = ForButton(word(one.get("sub_type")), parameters)
        elif kind in ("HEADER", "BODY", "FOOTER") and kind not in parts:
            parts[kind] = parameters
        else:
            return None
    return Filling(parts.get("HEADER", ()), parts.get("BODY", ()), buttons)


def values(text: str, parameters: Sequence[Json], *, named: bool) -> dict[str, str]:
    """What each placeholder of `text` is filled with."""
    if named:
        return {str(one.get("parameter_name")): shown(one) for one in parameters}
    return dict(zip(sorted(placeholders(text), key=_place), map(shown, parameters), strict=False))


def shown(parameter: Json) -> str:
    """The text that stands for a parameter, as far as it has one."""
    kind = parameter["type"]
    content = parameter.get(kind)
    if isinstance(content, dict):
        content = content.get("fallback_value")
    return content if isinstance(content, str) else ""


def _place(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (0, name)


def _parameters(component: Json) -> Sequence[Json] | None:
    found = component.get("parameters", [])
    if not isinstance(found, list):
        return None
    return found if all(isinstance(one, dict) and _is_known(one) for one in found) else None


def _is_known(parameter: Json) -> bool:
    kind = parameter.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        return False
    if not isinstance(parameter.get("parameter_name", ""), str):
        return False
    return kind != "text" or isinstance(parameter.get("text"), str)


def _index(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 2:  # noqa: PLR2004 - "0" to "9"
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
