"""Whether WhatsApp would take what a send fills into a template (formatting reference, sections 1 to 3).

Where there is any doubt, a newer component or an odd shape, the send passes: WhatsApp judges it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from domain.templates.definition import Button, Definition, Header, hydrated, placeholders
from domain.templates.known import Fault, Known, status_fault
from domain.templates.sending import Filling, ForButton, filling, values

Json = dict[str, Any]

BODY_LIMIT: Final = 1024
HEADER_LIMIT: Final = 60
"""Characters of the text with everything filled in."""

_TEXTUAL: Final = frozenset({"text", "currency", "date_time"})
_MEDIA: Final = frozenset({"IMAGE", "VIDEO", "DOCUMENT", "LOCATION"})
_FORBIDDEN: Final = re.compile(r"[\n\t]| {5}")
_SUB_TYPES: Final = frozenset({"QUICK_REPLY", "URL", "COPY_CODE"})


def check(template: Json, known: Known) -> Fault | None:
    """Why WhatsApp would refuse `template`, the object of that name in a send; None when it may well pass."""
    fault = status_fault(known)
    if fault is not None or known.definition is None:
        return fault
    filled = filling(template)
    return None if filled is None else next(_faults(known.definition, filled), None)


def _faults(definition: Definition, filled: Filling) -> Iterator[Fault]:
    yield from _header(definition.header, filled.header, named=definition.named)
    yield from _text("body", definition.body, filled.body, limit=BODY_LIMIT, named=definition.named)
    if definition.category != "AUTHENTICATION":  # their buttons take the code in more than one way
        yield from _buttons(definition.buttons, filled)


def _header(header: Header | None, parameters: Sequence[Json], *, named: bool) -> Iterator[Fault]:
    if header is None or header.format == "TEXT":
        text = header.text if header else ""
        yield from _text("header", text, parameters, limit=HEADER_LIMIT, named=named)
    elif header.format in _MEDIA:
        kind = header.format.lower()
        if len(parameters) > 1:
            yield _count("header.parameters", 1, len(parameters))
        elif not parameters or parameters[0]["type"] != kind:
            yield _kind("header.parameters[0]", f"of type {kind}")
        elif not isinstance(parameters[0].get(kind), dict):
            yield _kind(f"header.parameters[0].{kind}", "an object")


def _text(where: str, text: str, parameters: Sequence[Json], *, limit: int, named: bool) -> Iterator[Fault]:
    wanted = placeholders(text)
    if "{{" in hydrated(text, dict.fromkeys(wanted, "")):
        return
    if not named and sorted(wanted, key=len) != sorted(map(str, range(1, len(wanted) + 1)), key=len):
        return
    if len(parameters) != len(wanted):
        yield _count(f"{where}.parameters", len(wanted), len(parameters))
        return
    for number, one in enumerate(parameters):
        yield from _parameter(f"{where}.parameters[{number}]", one)
    if named:
        yield from _names(where, wanted, parameters)
    length = len(hydrated(text, values(text, parameters, named=named)))
    if length > limit:
        details = f"the {where} would be {length} characters long with its parameters, {limit} are the most"
        yield Fault(132005, "text_too_long", where, details)


def _parameter(where: str, one: Json) -> Iterator[Fault]:
    kind = one["type"]
    if kind not in _TEXTUAL:
        yield _kind(where, "of type text, currency or date_time")
    elif kind != "text":
        content = one.get(kind)
        if not isinstance(content, dict) or not isinstance(content.get("fallback_value"), str):
            yield _kind(f"{where}.{kind}", "an object with a fallback_value")
    elif not one["text"] or _FORBIDDEN.search(one["text"]):
        details = (
            f"{where}.text must not be empty, nor hold a new line, a tab or more than four spaces in a row"
        )
        yield Fault(132018, "parameter_text", f"{where}.text", details)


def _names(where: str, wanted: Sequence[str], parameters: Sequence[Json]) -> Iterator[Fault]:
    left = set(wanted)
    for number, one in enumerate(parameters):
        if one.get("parameter_name") not in left:
            named = ", ".join(wanted)
            yield _kind(f"{where}.parameters[{number}].parameter_name", f"one of {named}, each of them once")
            return
        left.remove(one["parameter_name"])


def _buttons(buttons: Sequence[Button], filled: Filling) -> Iterator[Fault]:
    for index, sent in sorted(filled.buttons.items()):
        where = f"buttons[{index}]"
        if not 0 <= index < len(buttons):
            yield _kind(where, f"one of the template's buttons, of which there are {len(buttons)}")
        else:
            yield from _button(where, buttons[index], sent)
    for index, button in enumerate(buttons):
        if button.type == "URL" and placeholders(button.url) and index not in filled.buttons:
            where = f"buttons[{index}].parameters"
            details = f"{where} is missing: the address of this button has a variable part"
            yield Fault(131008, "parameter_missing", where, details)


def _button(where: str, button: Button, sent: ForButton) -> Iterator[Fault]:
    if not {button.type, sent.sub_type} <= _SUB_TYPES:
        return
    if button.type != sent.sub_type:
        yield _kind(f"{where}.sub_type", button.type.lower())
    elif button.type == "URL" and placeholders(button.url):
        yield from _only(f"{where}.parameters", sent.parameters, "text")
    elif button.type == "COPY_CODE":
        yield from _only(f"{where}.parameters", sent.parameters, "coupon_code")


def _only(where: str, parameters: Sequence[Json], kind: str) -> Iterator[Fault]:
    if len(parameters) != 1:
        yield _count(where, 1, len(parameters))
    elif parameters[0]["type"] != kind:
        yield _kind(f"{where}[0]", f"of type {kind}")


def _count(where: str, wanted: int, given: int) -> Fault:
    return Fault(132000, "parameter_count", where, f"{where}: {wanted} expected, {given} given")


def _kind(where: str, right: str) -> Fault:
    return Fault(132012, "parameter_kind", where, f"{where} must be {right}")
