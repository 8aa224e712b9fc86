"""What WhatsApp refuses at once in the parameters of a template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.sandbox.refusal import Refusal
from gateway.sandbox.templates import Template

LONGEST_BODY: Final = 1024
TEXTS: Final = ("text", "currency", "date_time")
VARIABLE: Final = re.compile(r"{{(\w+)}}")


def refuse_wrong(template: Template, sent: Any) -> None:
    """Raise Refusal for `sent`, the components of a send, where the template wants others."""
    if template.components is None:
        return
    if not _is_readable(sent or []):
        raise Refusal(100, "template.components must list objects with a type, and so must their parameters.")
    given: dict[str, list[Any]] = {}
    buttons: dict[int, Mapping[str, Any]] = {}
    for component in sent or []:
        if component["type"].lower() == "button":
            buttons[int(component["index"])] = component
        else:
            given[component["type"].lower()] = component.get("parameters", [])
    approved = {component["type"]: component for component in template.components}
    _header(template, approved.get("HEADER", {"format": "TEXT", "text": ""}), given.get("header", []))
    _texts(template, "body", approved["BODY"]["text"], given.get("body", []), LONGEST_BODY)
    _buttons(approved.get("BUTTONS", {"buttons": []})["buttons"], buttons)


def _is_readable(sent: Any) -> bool:
    return _is_typed(sent) and all(
        _is_typed(component.get("parameters", []))
        and (component["type"].lower() != "button" or str(component.get("index")).isdecimal())
        for component in sent
    )


def _is_typed(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("type"), str)
        and isinstance(one.get("text", ""), str)
        and isinstance(one.get("sub_type", ""), str)
        for one in value
    )


def _header(template: Template, approved: Mapping[str, Any], parameters: list[Any]) -> None:
    if approved["format"] == "TEXT":
        _texts(template, "header", approved["text"], parameters, 60)
        return
    received = parameters[0]["type"].upper() if parameters else "UNKNOWN"
    if received != approved["format"]:
        raise Refusal(132012, f"header: Format mismatch, expected {approved['format']}, received {received}")


def _texts(template: Template, where: str, text: str, parameters: list[Any], longest: int) -> None:
    variables = list(dict.fromkeys(VARIABLE.findall(text)))
    if len(parameters) != len(variables):
        raise Refusal(
            132000,
            f"{where}: number of localizable_params ({len(parameters)}) does not match "
            f"the expected number of params ({len(variables)})",
        )
    filled = text
    for position, parameter in enumerate(parameters, start=1):
        variable = str(position)
        if template.parameter_format == "NAMED":
            variable = parameter.get("parameter_name", "")
        if parameter["type"] not in TEXTS or variable not in variables:
            raise Refusal(132012, f"{where}: parameter {position} does not go with the template")
        shown = parameter.get("text", "") if parameter["type"] == "text" else ""
        if parameter["type"] == "text" and (not shown or re.search("[\n\t]|     ", shown)):
            raise Refusal(132018, f"{where}: Param text cannot have new-line/tab characters or >4 spaces")
        filled = filled.replace("{{" + variable + "}}", shown)
    if len(filled) > longest:
        raise Refusal(132005, f"{where}: the text is longer than {longest} characters")


def _buttons(approved: list[Mapping[str, Any]], given: Mapping[int, Mapping[str, Any]]) -> None:
    for index, component in given.items():
        kind = approved[index]["type"] if index < len(approved) else None
        if kind != component.get("sub_type", "").upper():
            raise Refusal(132012, f"buttons: Button at index {index} is of type {kind}")
    for index, button in enumerate(approved):
        parameters = given.get(index, {}).get("parameters", [])
        if button["type"] == "URL" and VARIABLE.search(button["url"]) and not parameters:
            raise Refusal(131008, f"buttons: Button at index {index} of type Url requires a parameter")
        if button["type"] == "COPY_CODE" and [one["type"] for one in parameters] not in ([], ["coupon_code"]):
            raise Refusal(132012, f"buttons: Button at index {index} takes a coupon_code")
