"""A send of the on-premises API in the Cloud API's shape (on-premises reference, section 3)."""

from __future__ import annotations

from typing import Any, Final

from domain.hsm import template_of_hsm

Json = dict[str, Any]

_MEDIA: Final = frozenset({"image", "audio", "video", "document", "sticker"})


def to_cloud(body: Json) -> Json:
    """The same send for the Cloud API; what is malformed stays so, to be judged there.

    Raises UntranslatableError for an `hsm`, of which WhatsApp would blame fields that its caller never wrote.
    """
    cloud = {name: _media_cleared(name, value) for name, value in body.items() if name != "ttl"}
    if cloud.get("type") == "hsm":
        cloud |= {"type": "template", "template": template_of_hsm(cloud.pop("hsm", None))}
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


def _media_cleared(name: str, value: Any) -> Any:
    """`value` of the field `name`; its media objects lose the media provider and what is null."""
    if isinstance(value, list):
        return [_media_cleared(name, one) for one in value]
    if not isinstance(value, dict):
        return value
    is_media = name in _MEDIA
    return {
        key: _media_cleared(key, one)
        for key, one in value.items()
        if not (is_media and (key == "provider" or one is None))
    }
