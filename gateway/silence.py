"""Lines whose callbacks have fallen silent: what they would bring is missing from every window.

A line is silent when WhatsApp took a send of it, no callback about the line was recorded after that send was
asked for, and `silence_minutes` have passed since. Any callback of the line ends it; a line that neither
sends nor hears anything is quiet, not silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.gateway import Gateway
from gateway.settings import Settings
from projections.lines import LineState


@dataclass(frozen=True, slots=True)
class Silence:
    """Since when which line should have been heard of."""

    since: datetime
    """When the oldest send was asked for that no callback followed."""
    expected_every: int
    """Seconds within which one should have come."""


def silence(settings: Settings, line: str, state: LineState, now: datetime) -> Silence | None:
    """The silence of one line; None while it is heard of, quiet, or not configured."""
    every, since = timedelta(minutes=settings.silence(line)), state.unanswered_since
    if line not in settings.lines or since is None or now - since < every:
        return None
    return Silence(since, int(every.total_seconds()))


async def lines(gateway: Gateway) -> dict[str, LineState]:
    """Every line that is configured or that the log has seen."""
    async with gateway.pool.acquire() as db:
        seen = await gateway.lines.read(db)
    return {line: LineState() for line in gateway.settings.lines} | seen
