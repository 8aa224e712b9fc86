from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from domain.events import AccountNoticeReceived, Recorded, Undecodable
from gateway.store.moments import NEAR, recorded_by

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass
class Listed:
    """A log of events at these minutes; None is one that this release can't read."""

    minutes: Sequence[int | None]

    async def head(self) -> int:
        return len(self.minutes)

    async def events_at(self, positions: Sequence[int]) -> list[Recorded | Undecodable]:
        return [self._at(position, self.minutes[position - 1]) for position in positions]

    def _at(self, position: int, minute: int | None) -> Recorded | Undecodable:
        if minute is None:
            return Undecodable(position, "FromTheFuture", "UnknownTopic")
        event = object.__new__(AccountNoticeReceived)
        event.__dict__.update(originator_id=uuid4(), timestamp=BEGIN + timedelta(minutes=minute))
        return Recorded(position, event)


@st.composite
def logs(draw: st.DrawFn) -> list[int | None]:
    """Times that grow, and among them short runs of what can't be read."""
    minutes: list[int | None] = []
    for minute in sorted(draw(st.lists(st.integers(0, 50), max_size=40))):
        minutes += [None] * draw(st.integers(0, NEAR - 1)) + [minute]
    return minutes


@given(logs(), st.integers(-1, 51))
async def test_the_position_of_a_moment_parts_the_log(minutes: list[int | None], moment: int) -> None:
    found = await recorded_by(BEGIN + timedelta(minutes=moment), Listed(minutes))

    assert all(minute is None or minute <= moment for minute in minutes[:found])
    assert all(minute is None or minute > moment for minute in minutes[found:])
