"""What all lanes of a gateway share, and how a lane may end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.destinations.model import State
from gateway.deliveries.leases import Leases
from gateway.deliveries.rendering import Rendering
from gateway.deliveries.turns import Turns
from gateway.store.deliveries import DeliveryTables
from gateway.store.tail import Tail

NOTHING_TAKEN: Final = "it has taken nothing for five days"


class LeaseLostError(Exception):
    """The partition may be somebody else's by now: nothing more is sent."""


class EndsError(Exception):
    """The destination gets nothing any more."""

    def __init__(self, state: State, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes of a gateway share."""

    tail: Tail
    tables: DeliveryTables
    leases: Leases
    rendering: Rendering
    turns: Turns
    clock: Callable[[], datetime]
    signing_clock: Callable[[], datetime]
    """The time in signatures: destinations hold it against their own clocks, not the sandbox's."""
    count: Callable[[str, str], None]
    """Counts what came of a delivery (gateway/metrics.py), by the destination's name."""
