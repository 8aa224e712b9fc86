"""What a refusal most likely kept WhatsApp from doing: an estimate by its rules, as nobody asked it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from domain.policy import Reason

Avoided = Literal["failure", "charge", "either", "nothing"]
"""failure: WhatsApp fails such a send, and charges nothing. charge: it would have delivered and charged what
nobody wanted. either: one of the two. nothing: it would probably have delivered what the caller wanted."""

AVOIDED: Final[Mapping[Reason, Avoided]] = {
    "never_opened": "failure",
    "window_closed": "failure",
    "window_closing": "nothing",
    "opted_out": "either",  # a failure only where the person told WhatsApp as well
    "no_opt_in": "charge",
    "recently_limited": "either",  # WhatsApp does not say for how long it holds back
    "us_marketing": "failure",
    "template_missing": "failure",
    "template_not_approved": "failure",
    "template_paused": "failure",
    "template_disabled": "failure",
    "category_drift": "charge",
    "parameter_missing": "failure",
    "parameter_count": "failure",
    "parameter_kind": "failure",
    "parameter_text": "failure",
    "text_too_long": "failure",
}
"""For each reason that refuses."""


def avoided(reason: str | None) -> Avoided:
    """What a refusal for `reason` avoided; either for one that this release does not know."""
    return next((word for known, word in AVOIDED.items() if known == reason), "either")
