"""Whether a send may leave: pure, versioned, its rules as data.

A decision sees only what is handed in, and what it saw is recorded with every send (`recorded`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol

from domain import consent as consents
from domain.consent import LIMITED, OPTED_OUT, PAUSE, Consent
from domain.templates import Drift, Fault, FaultReason
from domain.window import REENGAGEMENT, Window, open_until, sendable_until

POLICY_VERSION: Final = 3
"""Recorded with every decision; grows whenever the same send could be judged differently."""

Kind = Literal["free_form", "template", "direct_send"]
Mode = Literal["enforce", "observe"]
ConsentRule = Literal["optout", "optin"]
"""Marketing goes to whoever did not stop it, or only to whoever asked for it."""
Reason = Literal[
    "needs_no_window",
    "window_open",
    "never_opened",
    "window_closed",
    "window_closing",
    "opted_out",
    "no_opt_in",
    "recently_limited",
    "us_marketing",
    FaultReason,
]

NEEDS_WINDOW: Final[Mapping[Kind, bool]] = {"free_form": True, "template": False, "direct_send": False}
"""Which kinds of send may only go out while the recipient's window is open."""

ASKS_CONSENT: Final[Mapping[Kind, bool]] = {"free_form": False, "template": True, "direct_send": True}
"""Which kinds of send depend on what the person wants to be sent: who writes wants an answer."""


class Refusal(NamedTuple):
    """How a refusal is answered: WhatsApp's own code for it, in both dialects."""

    http_status: int
    cloud_code: int
    onprem_code: int
    title: str
    """Of the Cloud API's code."""


_RE_ENGAGEMENT: Final = Refusal(400, REENGAGEMENT, 470, "Re-engagement message")
_NOT_DELIVERED: Final = Refusal(
    400, LIMITED, 471, "This message was not delivered to maintain healthy ecosystem engagement."
)
_NO_TEMPLATE: Final = Refusal(404, 132001, 2001, "Template name does not exist in the translation")
_PAUSED: Final = Refusal(400, 132015, 2061, "Template is paused")

REFUSALS: Final[Mapping[Reason, Refusal]] = {
    "never_opened": _RE_ENGAGEMENT,
    "window_closed": _RE_ENGAGEMENT,
    "window_closing": _RE_ENGAGEMENT,
    "opted_out": Refusal(400, OPTED_OUT, 1005, "User has stopped marketing messages"),
    "no_opt_in": Refusal(403, 131005, 1005, "Access denied"),
    "recently_limited": _NOT_DELIVERED,
    "us_marketing": _NOT_DELIVERED,
    "template_missing": _NO_TEMPLATE,
    "template_not_approved": _NO_TEMPLATE,
    "template_paused": _PAUSED,
    "template_disabled": Refusal(400, 132016, 2062, "Template is disabled"),
    "category_drift": _PAUSED,
    "parameter_missing": Refusal(400, 131008, 1008, "Required parameter is missing"),
    "parameter_count": Refusal(400, 132000, 2000, "Number of parameters does not match"),
    "parameter_kind": Refusal(400, 132012, 2012, "Parameter format does not match the template"),
    "parameter_text": Refusal(400, 132018, 2006, "There is an issue with a parameter's text"),
    "text_too_long": Refusal(400, 132005, 2005, "Translated text too long"),
}
"""Reasons that keep a send from leaving; every other one lets it pass."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator of a line chose."""

    margin: int
    """A window counts as closed so many seconds early."""
    mode: Mode = "enforce"
    consent: ConsentRule = "optout"
    refuse_us_marketing: bool = False
    """WhatsApp delivers no marketing to the USA."""
    template_drift: Drift = "accept"
    """Of templates that WhatsApp has made marketing ones."""


class Send(Protocol):
    """What the policy asks of a send."""

    @property
    def kind(self) -> Kind:
        """free_form, template or direct_send."""

    @property
    def category(self) -> str | None:
        """As declared for Direct Send."""

    @property
    def is_to_us(self) -> bool:
        """Whether it goes to somebody in the USA."""


@dataclass(frozen=True, slots=True)
class _Decided:
    reason: Reason
    mode: Mode
    open_until: int | None
    """When the window closes or closed (Unix seconds); None when it never opened."""
    opened_by: str | None
    """message_key or call_key of its newest opener."""
    consent: dict[str, Any] | None = None
    """What the person chose, as far as the decision looked at it."""
    fault: Fault | None = None
    """What is wrong with the template, where that is the reason."""


@dataclass(frozen=True, slots=True)
class Allowed(_Decided):
    """The send may leave."""

    observed: bool = False
    """`reason` would have refused it, had the line not been only observing."""

    @property
    def allowed(self) -> Literal[True]:
        """Whether the send may leave."""
        return True

    def recorded(self, as_of: int) -> dict[str, Any]:
        """The `decision` of SendRequested; `as_of` says how much of the log the window was folded from."""
        observed = {"observed": True} if self.observed else {}
        return _recorded(self, as_of, allowed=True) | observed


@dataclass(frozen=True, slots=True)
class Refused(_Decided):
    """The send must not leave: WhatsApp would fail it, or the person does not want it."""

    @property
    def refusal(self) -> Refusal:
        """How it is answered."""
        return REFUSALS[self.reason]

    @property
    def allowed(self) -> Literal[False]:
        """Whether the send may leave."""
        return False

    def recorded(self, as_of: int) -> dict[str, Any]:
        """The `decision` of SendRefused; `as_of` says how much of the log the window was folded from."""
        return _recorded(self, as_of, allowed=False)


Decision = Allowed | Refused


def decide(
    send: Send,
    window: Window,
    consent: Consent | None = None,
    *,
    now: int,
    rules: Rules,
    category: str | None = None,
    template: Fault | None = None,
) -> Decision:
    """Whether `send` may leave at `now` (Unix seconds).

    `consent`: None where the send does not ask for it. `category`: of the template, in lower case; None
    where nobody knows it. `template`: what is wrong with it; a person's choice comes before that.
    """
    until = open_until(window)
    opened_by = None if until is None else window.opened_by
    is_open = now < (sendable_until(window, rules.margin) or 0)
    category = send.category if send.kind == "direct_send" else category
    if NEEDS_WINDOW[send.kind]:
        reason: Reason = "window_open" if is_open else _closed(until, now)
    elif consent is not None and category == "marketing":
        held_back = not is_open and _is_limited(consent, now)
        reason = _marketing(send, consent, rules, held_back=held_back)
    else:
        unwanted = consent is not None and category == "utility" and _stops(consent.about_everything)
        reason = "opted_out" if unwanted else "needs_no_window"
    saw = None if consent is None else _saw(category, consent)
    if reason not in REFUSALS and template is None:
        return Allowed(reason, rules.mode, until, opened_by, saw)
    fault = template if reason not in REFUSALS else None
    reason = fault.reason if fault else reason
    if rules.mode == "observe":
        return Allowed(reason, rules.mode, until, opened_by, saw, fault, observed=True)
    return Refused(reason, rules.mode, until, opened_by, saw, fault)


def _closed(until: int | None, now: int) -> Reason:
    if until is None:
        return "never_opened"
    return "window_closing" if now < until else "window_closed"


def _marketing(send: Send, consent: Consent, rules: Rules, *, held_back: bool) -> Reason:
    if _stops(consent.about_marketing):
        return "opted_out"
    if rules.consent == "optin" and not consent.opted_in:
        return "no_opt_in"
    if held_back:
        return "recently_limited"
    return "us_marketing" if rules.refuse_us_marketing and send.is_to_us else "needs_no_window"


def _is_limited(consent: Consent, now: int) -> bool:
    """Whether WhatsApp asked to leave the person alone; a message inside a window is no matter."""
    return consent.limited_at is not None and now < consent.limited_at + PAUSE


def _stops(choice: consents.Choice | None) -> bool:
    return choice is not None and choice.value == "stop"


def _saw(category: str | None, consent: Consent) -> dict[str, Any]:
    of_all = category in ("utility", "authentication")
    saw = consents.recorded(consent.about_everything if of_all else consent.about_marketing)
    return saw | ({} if consent.limited_at is None else {"limited_at": consent.limited_at})


def _recorded(decision: _Decided, as_of: int, *, allowed: bool) -> dict[str, Any]:
    parameter = {"parameter": decision.fault.parameter} if decision.fault else {}
    return parameter | {
        "allowed": allowed,
        "mode": decision.mode,
        "reason": decision.reason,
        "policy_version": POLICY_VERSION,
        "window": {"open_until": decision.open_until, "opened_by": decision.opened_by, "as_of": as_of},
        "consent": decision.consent,
    }
