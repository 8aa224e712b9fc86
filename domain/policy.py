"""Whether a send may leave: pure, versioned, its rules as data.

The decision sees only what is handed in, and what it saw is recorded with every send (`record`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

from domain.window import Window, open_until, sendable_until

POLICY_VERSION: Final = 1
"""Recorded with every decision; grows whenever the same send could be judged differently."""

Kind = Literal["free_form", "template", "direct_send"]
Mode = Literal["enforce", "observe"]
Reason = Literal["needs_no_window", "window_open", "never_opened", "window_closed", "window_closing"]

NEEDS_WINDOW: Final[Mapping[Kind, bool]] = {"free_form": True, "template": False, "direct_send": False}
"""Which kinds of send may only go out while the person's window is open."""


class Send(Protocol):
    """What the policy asks of a send."""

    @property
    def kind(self) -> Kind:
        """free_form, template or direct_send."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the policy saw of the window; times are Unix seconds."""

    open_until: int | None
    opened_by: str | None
    as_of: int
    """When the decision was made."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The send may leave."""

    reason: Reason
    mode: Mode
    seen: Seen
    observed: bool = False
    """It would have been refused, had the line not been only observing; `reason` says why."""

    def record(self) -> dict[str, Any]:
        """The `decision` of the send's event."""
        return _record(self, allowed=True) | ({"observed": True} if self.observed else {})


@dataclass(frozen=True, slots=True)
class Refused:
    """The send must not leave: WhatsApp would fail it with 131047."""

    reason: Reason
    mode: Mode
    seen: Seen

    def record(self) -> dict[str, Any]:
        """The `decision` of the send's event."""
        return _record(self, allowed=False)

    @property
    def details(self) -> str:
        """What to tell the caller; holds no personal data."""
        until = self.seen.open_until
        if until is None:
            state = "the window is not open: the person has not written"
        else:
            verb = "closed" if until <= self.seen.as_of else "closes"
            state = f"the window {verb} at {datetime.fromtimestamp(until, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"Refused by the gateway: {state}; a template or Direct Send is allowed."


Decision = Allowed | Refused


def decide(send: Send, window: Window, *, now: int, margin: int, mode: Mode = "enforce") -> Decision:
    """Whether `send` may leave at `now` (Unix seconds), `margin` seconds kept before the window closes."""
    until = open_until(window)
    seen = Seen(until, None if until is None else window.opened_by, now)
    if not NEEDS_WINDOW[send.kind]:
        return Allowed("needs_no_window", mode, seen)
    last = sendable_until(window, margin)
    if until is None or last is None:
        reason: Reason = "never_opened"
    elif now < last:
        return Allowed("window_open", mode, seen)
    else:
        reason = "window_closing" if now < until else "window_closed"
    return Refused(reason, mode, seen) if mode == "enforce" else Allowed(reason, mode, seen, observed=True)


def _record(decision: Decision, *, allowed: bool) -> dict[str, Any]:
    seen = decision.seen
    return {
        "allowed": allowed,
        "mode": decision.mode,
        "reason": decision.reason,
        "policy_version": POLICY_VERSION,
        "window": {"open_until": seen.open_until, "opened_by": seen.opened_by, "as_of": seen.as_of},
        "consent": None,
    }
