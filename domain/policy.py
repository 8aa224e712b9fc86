"""Whether a send may leave: pure, versioned, its rules as data.

A decision sees only what is handed in, and what it saw is recorded with every send (`recorded`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from domain.window import Window, open_until, sendable_until

POLICY_VERSION: Final = 1
"""Recorded with every decision; grows whenever the same send could be judged differently."""

Kind = Literal["free_form", "template", "direct_send"]
Mode = Literal["enforce", "observe"]
Reason = Literal["needs_no_window", "window_open", "never_opened", "window_closed", "window_closing"]

NEEDS_WINDOW: Final[Mapping[Kind, bool]] = {"free_form": True, "template": False, "direct_send": False}
"""Which kinds of send may only go out while the recipient's window is open."""


class Send(Protocol):
    """What the policy asks of a send."""

    @property
    def kind(self) -> Kind:
        """free_form, template or direct_send."""


@dataclass(frozen=True, slots=True)
class _Decided:
    reason: Reason
    mode: Mode
    open_until: int | None
    """When the window closes or closed (Unix seconds); None when it never opened."""
    opened_by: str | None
    """message_key or call_key of its newest opener."""


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
    """The send must not leave: WhatsApp would fail it with 131047."""

    @property
    def allowed(self) -> Literal[False]:
        """Whether the send may leave."""
        return False

    def recorded(self, as_of: int) -> dict[str, Any]:
        """The `decision` of SendRefused; `as_of` says how much of the log the window was folded from."""
        return _recorded(self, as_of, allowed=False)


Decision = Allowed | Refused


def decide(send: Send, window: Window, *, now: int, margin: int, mode: Mode = "enforce") -> Decision:
    """Whether `send` may leave at `now` (Unix seconds); a window counts as closed `margin` seconds early."""
    until = open_until(window)
    opened_by = None if until is None else window.opened_by
    if not NEEDS_WINDOW[send.kind]:
        return Allowed("needs_no_window", mode, until, opened_by)
    last = sendable_until(window, margin)
    if until is None or last is None:
        reason: Reason = "never_opened"
    elif now < last:
        return Allowed("window_open", mode, until, opened_by)
    else:
        reason = "window_closing" if now < until else "window_closed"
    if mode == "observe":
        return Allowed(reason, mode, until, opened_by, observed=True)
    return Refused(reason, mode, until, opened_by)


def _recorded(decision: _Decided, as_of: int, *, allowed: bool) -> dict[str, Any]:
    return {
        "allowed": allowed,
        "mode": decision.mode,
        "reason": decision.reason,
        "policy_version": POLICY_VERSION,
        "window": {"open_until": decision.open_until, "opened_by": decision.opened_by, "as_of": as_of},
        "consent": None,
    }
