"""How far a long work is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Self, TextIO

from gateway.cli.terminal import say

WIDTH: Final = 30
OFTEN: Final = 0.2
"""Seconds between two states of a bar."""
SELDOM: Final = 5.0
"""Seconds between two lines."""


class Progress:
    """Tells how far something is; leave it to end the bar."""

    def __init__(
        self, *, screen: TextIO = sys.stderr, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._screen = screen
        self._is_terminal = screen.isatty()
        self._monotonic = monotonic
        self._first: tuple[float, int] | None = None
        self._told = float("-inf")
        self._has_bar = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def moved(self, name: str, position: int, head: int) -> None:
        """It stands at `position` of `head` events."""
        now = self._monotonic()
        if self._first is None:
            self._first = now, position
        if now - self._told < (OFTEN if self._is_terminal else SELDOM):
            return
        self._told = now
        text = f"{position:,} of {head:,} events{self._pace(now, position, head)}"
        if self._is_terminal:
            filled = WIDTH * position // max(head, 1)
            self._screen.write(f"\r\033[K{name} [{'#' * filled:{WIDTH}}] {text}")
            self._has_bar = True
        else:
            self._screen.write(f"{name}: {text}\n")
        self._screen.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        say(text)

    def _pace(self, now: float, position: int, head: int) -> str:
        since, begun = self._first or (now, position)
        if now <= since or position <= begun:
            return ""
        rate = (position - begun) / (now - since)
        return f", {rate:,.0f}/s, {timedelta(seconds=round((head - position) / rate))} left"

    def _clear(self) -> None:
        if self._has_bar:
            self._screen.write("\r\033[K")
            self._screen.flush()
            self._has_bar = False
