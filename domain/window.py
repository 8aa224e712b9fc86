"""The customer service window of a conversation, as a fold over its events.

A window is a handful of maxima, so that any order, repetition or split of the events over linked streams
gives the same window. Times are whole Unix seconds in WhatsApp's own time. What opens a window was decided
when the event was recorded (domain/openers.py) and stands in its `opens`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from domain.events import CallReceived, Event, MessageReceived, SendFailed, StatusReceived
from domain.values import value

LENGTH: Final = 24 * 3600
"""Seconds a window stays open after its newest opener."""

DISPUTE: Final = 23 * 3600
"""A refusal is doubted when a confirmed opener lies less than this many seconds before the send."""

REENGAGEMENT: Final = 131047
"""WhatsApp's error code for a free-form send outside the window."""


@value
class Window:
    """What decides about the window of one conversation: maxima, None where nothing was seen."""

    opened_at: int | None = None
    """Time of the newest opener, confirmed or assumed."""
    opened_by: str | None = None
    """The message_key or call_key of that opener; of several at one time the larger key."""
    confirmed_at: int | None = None
    """Time of the newest confirmed opener."""
    refused_at: int | None = None
    """Dispatch time of the newest send that WhatsApp answered with 131047."""
    refused_by: str | None = None
    """That send's send_id, or its message_key when the send was not ours."""
    changed_at: int | None = None
    """When the person's number last changed: openers up to then no longer count."""
    free_entry_until: int | None = None
    """End of the newest free entry point: changes the price, never the right to send."""

    def is_open(self, at: int) -> bool:
        """WhatsApp's own rule: whether a free-form send may reach the person at `at`."""
        until = open_until(self)
        return until is not None and at < until


EMPTY: Final = Window()


def open_until(window: Window) -> int | None:
    """When the window closes or closed; None when it never opened, or what opened it no longer counts."""
    opened = window.opened_at
    if opened is None or opened <= _or_never(window.changed_at):
        return None
    if opened <= _or_never(window.refused_at) and not _is_doubtful(window):
        return None
    return opened + LENGTH


def sendable_until(window: Window, margin: int) -> int | None:
    """When the gateway stops to send free-form: `margin` seconds before the window closes."""
    until = open_until(window)
    return None if until is None else until - margin


def disputed_by(window: Window) -> str | None:
    """The send whose 131047 contradicts a window that a confirmed opener says is open; else None."""
    if open_until(window) is None or _or_never(window.opened_at) > _or_never(window.refused_at):
        return None
    return window.refused_by


def fold(window: Window, event: Event) -> Window:
    """The window after one more event of its conversation; most events change nothing."""
    step = _STEPS.get(type(event))
    return window if step is None else step(window, event)


def merge(a: Window, b: Window) -> Window:
    """The window of two streams that belong to one person."""
    if a is EMPTY:
        return b
    opened_at, opened_by = _newer((a.opened_at, a.opened_by), (b.opened_at, b.opened_by))
    refused_at, refused_by = _newer((a.refused_at, a.refused_by), (b.refused_at, b.refused_by))
    return Window(
        opened_at=opened_at,
        opened_by=opened_by,
        confirmed_at=_later(a.confirmed_at, b.confirmed_at),
        refused_at=refused_at,
        refused_by=refused_by,
        changed_at=_later(a.changed_at, b.changed_at),
        free_entry_until=_later(a.free_entry_until, b.free_entry_until),
    )


def as_of(events: Iterable[Event], at: int) -> Window:
    """The window as of `at` in WhatsApp's time, with everything known now about the time up to then."""
    window = EMPTY
    for event in events:
        if _time(event) <= at:
            window = fold(window, event)
    return window


def _opener(window: Window, at: int, key: str, opens: str | None) -> Window:
    if opens == "closes":
        return merge(window, Window(changed_at=at))
    if opens is None:
        return window
    return merge(
        window, Window(opened_at=at, opened_by=key, confirmed_at=at if opens == "confirmed" else None)
    )


def _message(window: Window, event: MessageReceived) -> Window:
    return _opener(window, event.at_used, event.message_key, event.opens)


def _call(window: Window, event: CallReceived) -> Window:
    return _opener(window, event.at_used, event.call_key, event.opens)


def _status(window: Window, event: StatusReceived) -> Window:
    if event.source == "standby":
        return window
    if event.status == "failed" and event.code == REENGAGEMENT:
        window = merge(window, Window(refused_at=_time(event), refused_by=event.send_id or event.message_key))
    ends = _free_entry(event.conversation or {})
    return window if ends is None else replace(window, free_entry_until=_later(window.free_entry_until, ends))


def _free_entry(conversation: Mapping[str, Any]) -> int | None:
    origin, ends = conversation.get("origin"), conversation.get("expires_at")
    is_free = isinstance(origin, str) and origin.replace("-", "_") == "referral_conversion"
    return ends if is_free and isinstance(ends, int) else None


def _failed(window: Window, event: SendFailed) -> Window:
    if event.code != REENGAGEMENT:
        return window
    return merge(window, Window(refused_at=event.dispatched_at, refused_by=event.send_id))


_STEPS: Final[Mapping[type[Event], Callable[[Window, Any], Window]]] = {
    MessageReceived: _message,
    CallReceived: _call,
    StatusReceived: _status,
    SendFailed: _failed,
}


def _time(event: Event) -> int:
    match event:
        case (
            StatusReceived(status="failed", dispatched_at=int(dispatched_at))
            | SendFailed(dispatched_at=dispatched_at)
        ):
            return dispatched_at
        case MessageReceived(at_used=at) | CallReceived(at_used=at) | StatusReceived(at_used=at):
            return at
        case _:
            return _NEVER


_NEVER: Final = -1


def _or_never(at: int | None) -> int:
    return _NEVER if at is None else at


def _is_doubtful(window: Window) -> bool:
    """Whether the newest refusal is contradicted by a confirmed opener that still counts."""
    confirmed = _or_never(window.confirmed_at)
    return confirmed > max(_or_never(window.refused_at) - DISPUTE, _or_never(window.changed_at))


def _later(a: int | None, b: int | None) -> int | None:
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)


def _newer(
    a: tuple[int | None, str | None], b: tuple[int | None, str | None]
) -> tuple[int | None, str | None]:
    """The later of two (time, key); at one time the larger key."""
    return max(a, b, key=lambda mark: (_or_never(mark[0]), mark[1] or ""))
