"""What is known of one template when a send names it, and what can be wrong with that send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from domain.templates.definition import Definition

FaultReason = Literal[
    "template_missing",
    "template_not_approved",
    "template_paused",
    "template_disabled",
    "category_drift",
    "parameter_missing",
    "parameter_count",
    "parameter_kind",
    "parameter_text",
    "text_too_long",
]
Drift = Literal["accept", "warn", "refuse"]
"""What a line does about a template that WhatsApp has made a marketing one."""


@dataclass(frozen=True, slots=True)
class Known:
    """A template in one language; None is what nobody has told."""

    status: str | None = None
    """WhatsApp's own word; DELETED also for what its list doesn't hold."""
    category: str | None = None
    first_category: str | None = None
    """The one it was first known with."""
    definition: Definition | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why WhatsApp would refuse the send; holds nothing that the caller sent."""

    code: int
    """The Cloud API's."""
    reason: FaultReason
    parameter: str
    """Which part of the template object: `name`, `body.parameters[1]`, ..."""
    details: str


def drifted(known: Known) -> bool:
    """Whether WhatsApp has made it a marketing template since it was first known as another."""
    return known.category == _MARKETING and known.first_category not in (None, _MARKETING)


def drift_fault(known: Known) -> Fault | None:
    """Why a line that wants no such change refuses a template that has become a marketing one."""
    if not drifted(known):
        return None
    details = f"WhatsApp has made this {(known.first_category or '').lower()} template a marketing one"
    return Fault(132015, "category_drift", "name", details)


def status_fault(known: Known) -> Fault | None:
    """Why a template of this status can't be sent; words that are not surely final or in the way pass."""
    found = _UNSENDABLE.get(known.status or "")
    if found is None:
        return None
    code, reason, details = found
    return Fault(code, reason, "name", details)


_MARKETING: Final = "MARKETING"
_NOT_APPROVED: Final = "the template is not approved in this language"
_UNSENDABLE: Final[Mapping[str, tuple[int, FaultReason, str]]] = {
    "DELETED": (132001, "template_missing", "WhatsApp has no template of this name in this language"),
    "PENDING": (132001, "template_not_approved", f"{_NOT_APPROVED}: WhatsApp still reviews it"),
    "REJECTED": (132001, "template_not_approved", f"{_NOT_APPROVED}: WhatsApp rejected it"),
    "PAUSED": (132015, "template_paused", "WhatsApp has paused the template; another one may be sent"),
    "DISABLED": (132016, "template_disabled", "WhatsApp has disabled the template for good"),
}
