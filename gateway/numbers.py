"""What WhatsApp says of the lines' phone numbers, asked for when somebody looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from domain.inbound import wire
from gateway.upstream import GRAPH_VERSION, Answered, Upstream

KEPT: Final = 60.0
"""Seconds that an answer is good for."""
PATIENCE: Final = 3.0
"""Seconds that whoever looks waits for WhatsApp."""


@dataclass(frozen=True, slots=True)
class Number:
    """A line's phone number."""

    token: Literal["valid", "refused", "unknown"]
    """Whether WhatsApp takes our access token for it; unknown: it did not answer."""
    quality: str | None = None
    throughput: str | None = None


class Numbers:
    """Asks at most once a minute for each line."""

    def __init__(self, upstream: Upstream, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._upstream = upstream
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, Number]] = {}

    async def of(self, lines: Sequence[str]) -> list[Number]:
        """One for each line, in order."""
        return list(await asyncio.gather(*map(self._of, lines)))

    async def _of(self, line: str) -> Number:
        asked_at, number = self._known.get(line, (0.0, None))
        if number is None or self._monotonic() - asked_at > KEPT:
            number = await self._asked(line)
            self._known[line] = (self._monotonic(), number)
        return number

    async def _asked(self, line: str) -> Number:
        query = {"fields": "quality_rating,throughput"}
        try:
            async with asyncio.timeout(PATIENCE):
                outcome = await self._upstream.get(f"{GRAPH_VERSION}/{line}", query)
        except TimeoutError:
            return Number("unknown")
        match outcome:
            case Answered(status=200, body=body):
                about = _json(body)
                level = wire.word(wire.inner(about, "throughput").get("level"))
                return Number("valid", wire.word(about.get("quality_rating")), level)
            case Answered(body=body) if wire.inner(_json(body), "error").get("code") in (0, 190):
                return Number("refused")
            case _:
                return Number("unknown")


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
