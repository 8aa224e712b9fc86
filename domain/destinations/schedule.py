"""When a delivery that failed is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE

DELAYS: Final = (5.0, 30.0, 2 * _MINUTE, 10 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR)
"""Seconds after the first, the second, … failure."""
LAST_DELAY: Final = 12 * _HOUR
"""Seconds after every further one."""
GIVE_UP: Final = timedelta(days=5)
"""How long something is tried."""
JITTER: Final = 0.2
"""The largest part of a delay by which it is longer, so that what failed together does not come together."""


def delay(failures: int, chance: float) -> float:
    """Seconds until the next try after so many failures (1 or more); `chance` from 0 to 1 spreads them."""
    base = DELAYS[failures - 1] if failures <= len(DELAYS) else LAST_DELAY
    return base * (1 + JITTER * chance)


def is_over(since: datetime, now: datetime) -> bool:
    """Whether something was tried for long enough."""
    return now - since >= GIVE_UP


def failures_within(elapsed: float) -> int:
    """How many failures the schedule has seen so many seconds after the first one (1 or more)."""
    count, at = 1, 0.0
    while (at := at + delay(count, 0)) <= elapsed:
        count += 1
    return count
