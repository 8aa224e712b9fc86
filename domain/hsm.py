"""The oldest template form: positional texts of the body only (on-premises reference, section 3)."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]


class UntranslatableError(Exception):
    """A field without which there is no Cloud send; says nothing of what the caller sent."""

    def __init__(self, field: str, *, missing: bool, details: str) -> None:
        """`missing` false: it is there, and wrong."""
        super().__init__(details)
        self.field = field
        self.missing = missing
        self.details = details


def template_of_hsm(hsm: object) -> Json:
    """The Cloud API's template for the `hsm` of a send. Raises UntranslatableError."""
    given = _checked(hsm, "hsm", dict)
    language = _field(given, "hsm", "language", dict)
    template: Json = {
        "name": _field(given, "hsm", "element_name", str),
        "language": {"code": _field(language, "hsm.language", "code", str)},
    }
    if given.get("localizable_params") is not None:
        where = "hsm.localizable_params"
        texts = _field(given, "hsm", "localizable_params", list)
        parameters = [_parameter(text, f"{where}[{index}]") for index, text in enumerate(texts)]
        if parameters:
            template["components"] = [{"type": "body", "parameters": parameters}]
    return template


def _parameter(parameter: object, where: str) -> Json:
    given = _checked(parameter, where, dict)
    fallback = _field(given, where, "default", str)
    if given.get("currency") is not None:
        currency, inside = _field(given, where, "currency", dict), f"{where}.currency"
        money = {
            "fallback_value": fallback,
            "code": _field(currency, inside, "currency_code", str),
            "amount_1000": _field(currency, inside, "amount_1000", object),
        }
        return {"type": "currency", "currency": money}
    if given.get("date_time") is not None:
        return {"type": "date_time", "date_time": {"fallback_value": fallback}}
    return {"type": "text", "text": fallback}


_SHAPES: Final[dict[type, str]] = {str: "a string", list: "a list", dict: "an object"}


def _field(parent: Json, where: str, name: str, shape: type) -> Any:
    return _checked(parent.get(name), f"{where}.{name}", shape)


def _checked(value: object, field: str, shape: type) -> Any:
    if value is None:
        raise UntranslatableError(field, missing=True, details=f"{field} is required.")
    if not isinstance(value, shape):
        raise UntranslatableError(field, missing=False, details=f"{field} must be {_SHAPES[shape]}.")
    return value
