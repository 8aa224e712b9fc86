"""Where in the log a moment is: positions and times grow together, as far as gateways' clocks agree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from domain.events import Recorded, Undecodable

NEAR: Final = 10
"""Events looked at together, since some of them may be unreadable."""


class Reader(Protocol):
    """What is read of a log."""

    async def head(self) -> int:
        """The last position."""
        ...

    async def events_at(self, positions: Sequence[int]) -> list[Recorded | Undecodable]:
        """The events at these positions, in order."""
        ...


async def recorded_by(moment: datetime, log: Reader) -> int:
    """The last position that was recorded by then; where clocks of gateways differ, one of the last."""
    low, high = 0, await log.head()
    while low < high:
        middle = (low + high + 1) // 2
        near = await log.events_at(list(range(max(low + 1, middle + 1 - NEAR), middle + 1)))
        times = [item.event.timestamp for item in near if isinstance(item, Recorded)]
        if times and times[-1] > moment:
            high = middle - 1
        else:
            low = middle
    return low
