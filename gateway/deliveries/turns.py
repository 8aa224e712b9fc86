"""Deliveries of all destinations take turns, so that callbacks and sends get theirs in between."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

A_ROUND: Final = 8
"""Deliveries that begin in one round of the loop."""


class Turns:
    """First come, first served, a few in each round of the loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_serving = False

    async def next(self) -> None:
        """Return when it is one's turn."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._is_serving:
            self._is_serving = True
            loop.call_soon(self._serve)
        await turn

    def _serve(self) -> None:
        served = 0
        while self._waiting and served < A_ROUND:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                served += 1
        self._is_serving = bool(self._waiting)
        if self._is_serving:
            asyncio.get_running_loop().call_soon(self._serve)
