"""What a destination's answer means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT: Final = 12 * 3600.0
"""Seconds of a Retry-After that are honoured; a longer one counts as this."""
_GONE: Final = 410
_TAKEN: Final = range(200, 300)
BUSY: Final = frozenset({429, 503})
"""Statuses whose Retry-After counts."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """It has it."""


@dataclass(frozen=True, slots=True)
class Gone:
    """It wants nothing any more."""


@dataclass(frozen=True, slots=True)
class Wait:
    """It asks for a pause of so many seconds; nothing is wrong with what was sent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Again:
    """Not taken: to be tried again on the schedule."""


Verdict = Delivered | Gone | Wait | Again


def judge(status: int | None, retry_after: str | None, now: datetime) -> Verdict:
    """`status`: of the answer; None when there was none. A redirect is not followed, so it is no success."""
    if status in _TAKEN:
        return Delivered()
    if status == _GONE:
        return Gone()
    if status in BUSY and (seconds := _seconds(retry_after, now)) is not None:
        return Wait(min(seconds, LONGEST_WAIT))
    return Again()


def _seconds(text: str | None, now: datetime) -> float | None:
    """Retry-After: seconds, or a date (RFC 9110)."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
