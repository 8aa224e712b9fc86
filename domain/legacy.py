"""A send of the on-premises API in the Cloud API's shape (on-premises reference, section 3)."""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

_MEDIA: Final = frozenset({"image", "audio", "video", "document", "sticker"})


def to_cloud(body: Json) -> Json:
    """The same send for the Cloud API; what is malformed stays so, to be judged there."""
    cloud = {name: _without_provider(name, value) for name, value in body.items() if name != "ttl"}
    if cloud.get("type") == "hsm":
        cloud["type"] = "template"
        cloud["template"] = _template_of_hsm(cloud.pop("hsm", None))
    if isinstance(cloud.get("template"), dict):
        cloud["template"] = _template(cloud["template"])
    preview = cloud.pop("preview_url", None)
    if preview is not None and isinstance(cloud.get("text"), dict):
        cloud["text"] = {"preview_url": preview} | cloud["text"]
    return cloud


def _template(template: Json) -> Json:
    kept = {name: value for name, value in template.items() if name != "namespace"}
    language = kept.get("language")
    if isinstance(language, dict):
        kept["language"] = {name: value for name, value in language.items() if name != "policy"}
    return kept


def _template_of_hsm(hsm: object) -> object:
    """The oldest template form: positional text parameters of the body only."""
    if not isinstance(hsm, dict):
        return hsm
    template: Json = {"name": hsm.get("element_name"), "language": hsm.get("language")}
    parameters = hsm.get("localizable_params")
    if isinstance(parameters, list) and parameters:
        template["components"] = [{"type": "body", "parameters": [_parameter(one) for one in parameters]}]
    return template


def _parameter(parameter: object) -> object:
    match parameter:
        case {"currency": {"currency_code": code, "amount_1000": amount}, "default": fallback}:
            money = {"fallback_value": fallback, "code": code, "amount_1000": amount}
            return {"type": "currency", "currency": money}
        case {"date_time": dict(), "default": fallback}:
            return {"type": "date_time", "date_time": {"fallback_value": fallback}}
        case {"default": text}:
            return {"type": "text", "text": text}
        case _:
            return parameter


def _without_provider(name: str, value: Any) -> Any:
    """`value` of the field `name`, its media objects without the on-premises media provider."""
    if isinstance(value, list):
        return [_without_provider(name, one) for one in value]
    if not isinstance(value, dict):
        return value
    drop = "provider" if name in _MEDIA else None
    return {key: _without_provider(key, one) for key, one in value.items() if key != drop}
