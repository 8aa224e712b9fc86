"""Answers that strangers can ask for as often as they like, given at a steady rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

BURST: Final = 1.0
"""Seconds' worth of answers that need not wait after a quiet time."""
LONGEST: Final = 1.0
"""Seconds that an answer waits at most: nobody's connection and body are held for longer."""


class Bucket:
    """A leaky bucket: who is answered later comes again later, and leaves the time to others."""

    def __init__(self, rate: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`rate`: answers a second."""
        self._every = 1 / rate
        self._monotonic = monotonic
        self._full_until = -math.inf

    def wait(self) -> float:
        """Seconds that one more answer should wait; 0 unless there were many of late."""
        now = self._monotonic()
        self._full_until = min(max(self._full_until, now - BURST) + self._every, now + LONGEST)
        return max(0.0, self._full_until - now)
