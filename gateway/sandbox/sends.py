"""What WhatsApp reads in the body of a send, and what it refuses at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.sandbox import ids
from gateway.sandbox.parameters import refuse_wrong
from gateway.sandbox.pricing import Category
from gateway.sandbox.refusal import Refusal
from gateway.sandbox.templates import Template, Templates

TYPES: Final = frozenset(
    {"text", "image", "audio", "video", "document", "sticker", "location", "contacts"}
    | {"interactive", "template", "reaction", "pin"}
)
DIRECT_SEND_TYPES: Final = frozenset({"text", "interactive"})
TEXT_LIMIT: Final = 4096
CALLBACK_DATA_LIMIT: Final = 512


@dataclass(frozen=True, slots=True)
class Send:
    """A send that WhatsApp takes; exactly one of number, user_id and group is set."""

    number: str | None
    user_id: str | None
    group: str | None
    given: str
    type: str
    category: Category
    needs_window: bool
    callback_data: str | None


def read(body: Mapping[str, Any], templates: Templates, *, marketing: bool) -> Send:
    """Read a send; `marketing`: it came in by the Marketing Messages API. Raises Refusal."""
    if body.get("messaging_product") != "whatsapp":
        raise Refusal(100, "The parameter messaging_product is required and must be 'whatsapp'.")
    number, user_id, group = _recipient(body)
    kind = body.get("type", "text")
    if not isinstance(kind, str) or kind not in TYPES:
        raise Refusal(100, "Param type must be one of {" + ", ".join(sorted(TYPES)) + "}.")
    content = body.get(kind)
    if not content:
        raise Refusal(131008, f"The parameter {kind} is required for messages of this type.")
    if kind == "text":
        _check_text(content)
    category = _category(body, kind, content, templates, marketing=marketing)
    if user_id and category == "authentication":
        raise Refusal(131062, "Authentication messages need a phone number as recipient.")
    return Send(
        number=number,
        user_id=user_id,
        group=group,
        given=str(body.get("to") or body.get("recipient")),
        type=kind,
        category=category,
        needs_window=category == "service",
        callback_data=_callback_data(body),
    )


def _recipient(body: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    to, recipient = body.get("to"), body.get("recipient")
    if to and body.get("recipient_type") == "group":
        return None, None, str(to)
    if to and ids.BSUID.fullmatch(str(to)):
        return None, None, None
    if to:
        digits = re.sub(r"[+\-() ]", "", str(to))
        if not (digits.isascii() and digits.isdigit()):
            raise Refusal(131009, "The parameter to is not a valid phone number.")
        return digits, None, None
    if not recipient:
        raise Refusal(131008, "The parameter to or recipient is required.")
    if not ids.BSUID.fullmatch(str(recipient)):
        raise Refusal(131009, "The parameter recipient is not a business-scoped user id.")
    return None, str(recipient), None


def _callback_data(body: Mapping[str, Any]) -> str | None:
    data = body.get("biz_opaque_callback_data")
    if data is None or (isinstance(data, str) and len(data) <= CALLBACK_DATA_LIMIT):
        return data
    raise Refusal(100, f"biz_opaque_callback_data must be text of at most {CALLBACK_DATA_LIMIT} characters.")


def _check_text(content: Any) -> None:
    text = content.get("body") if isinstance(content, dict) else None
    if not isinstance(text, str) or not text:
        raise Refusal(131008, "The parameter text.body is required.")
    if len(text) > TEXT_LIMIT:
        raise Refusal(100, f"Param text.body must be at most {TEXT_LIMIT} characters long.")


def _category(
    body: Mapping[str, Any], kind: str, content: Any, templates: Templates, *, marketing: bool
) -> Category:
    if kind == "template":
        return _template_category(content, templates, marketing=marketing)
    if marketing:
        raise Refusal(100, "Only templates can be sent as marketing messages.")
    declared = body.get("category", "service")
    if declared == "service":
        return "service"
    if kind in DIRECT_SEND_TYPES and declared == "utility":
        return "utility"
    if kind in DIRECT_SEND_TYPES and declared == "authentication":
        return "authentication"
    raise Refusal(100, "The parameter category does not go with this message.")


def _template_category(content: Any, templates: Templates, *, marketing: bool) -> Category:
    match content:
        case {"name": str(name), "language": {"code": str(language)}}:
            pass
        case _:
            raise Refusal(131008, "The parameters template.name and template.language.code are required.")
    template = templates.get((name, language))
    if template is None:
        raise Refusal(132001, f"template name ({name}) does not exist in {language}")
    _refuse_unsendable(template)
    if marketing and template.category != "marketing":
        raise Refusal(131055, "Only marketing templates can be sent as marketing messages.")
    refuse_wrong(template, content.get("components"))
    return "marketing_lite" if marketing else template.category


def _refuse_unsendable(template: Template) -> None:
    match template.status:
        case "APPROVED":
            pass
        case "PAUSED":
            raise Refusal(132015, f"Template '{template.name}' is paused due to low quality.")
        case "DISABLED":
            raise Refusal(132016, f"Template '{template.name}' is disabled.")
        case status:
            raise Refusal(132001, f"template name ({template.name}) is {status} in {template.language}")
