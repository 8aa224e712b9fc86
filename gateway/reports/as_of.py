"""Up to where in the log a report looks: a position, or the one that a time stands for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from gateway.store.moments import Reader, recorded_by

RIGHT: Final = "a position of the log, from 0 to {head}, or a time with its zone such as 2026-12-01T00:00:00Z"


class NoPositionError(ValueError):
    """What is neither a position of the log nor a time; the text says what would be right."""


async def position_of(text: str, log: Reader) -> int:
    """The position that a text names, or stands for. Raises NoPositionError."""
    if moment := _moment(text):
        return await recorded_by(moment, log)
    head = await log.head()
    if text.isascii() and text.isdigit() and len(text) < len(str(2**63)):
        position = int(text)
        if position <= head:
            return position
    raise NoPositionError(RIGHT.format(head=head))


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
