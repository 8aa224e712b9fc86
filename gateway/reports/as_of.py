"""Up to where in the log a report looks: a position, or the one that a time stands for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from domain.events import Recorded, Undecodable

RIGHT: Final = "a position of the log, from 0 to {head}, or a time with its zone such as 2026-12-01T00:00:00Z"
NEAR: Final = 10
"""Events looked at together, since one of them may be unreadable."""


class NoPositionError(ValueError):
    """What is neither a position of the log nor a time; the text says what would be right."""


class Log(Protocol):
    """What is read of a log."""

    async def head(self) -> int:
        """The last position."""
        ...

    async def events_at(self, positions: Sequence[int]) -> list[Recorded | Undecodable]:
        """The events at these positions, in order."""
        ...


async def position_of(text: str, log: Log) -> int:
    """The position that a text names, or stands for. Raises NoPositionError."""
    head = await log.head()
    if text.isascii() and text.isdigit() and len(text) < len(str(2**63)):
        position = int(text)
        if position <= head:
            return position
    elif moment := _moment(text):
        return await _recorded_by(moment, log, head)
    raise NoPositionError(RIGHT.format(head=head))


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


async def _recorded_by(moment: datetime, log: Log, head: int) -> int:
    """The last position that was recorded by then; where clocks of gateways differ, one of the last."""
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        near = await log.events_at(list(range(max(low + 1, middle + 1 - NEAR), middle + 1)))
        times = [item.event.timestamp for item in near if isinstance(item, Recorded)]
        if times and times[-1] > moment:
            high = middle - 1
        else:
            low = middle
    return low
