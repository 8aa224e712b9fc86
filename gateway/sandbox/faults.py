"""Troubles asked for, each for a number of times."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, get_args
from typing import Literal as OneOf

Kind = OneOf[
    "delay", "drop_after_accept", "error", "duplicate", "reorder", "batch", "sync_131047", "fail_status"
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(slots=True)
class Fault:
    """One kind of trouble, `times` more times; `seconds` and codes for the kinds that have them."""

    kind: Kind
    times: int = 1
    seconds: float = 1.0
    code: int = 131000
    http_status: int | None = None


class Faults:
    """Those that wait for their turn, first asked first served."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Ask for trouble."""
        self._waiting.append(fault)

    def take(self, kind: Kind) -> Fault | None:
        """The first fault of that kind, one time of it used up."""
        for fault in self._waiting:
            if fault.kind == kind:
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
                return fault
        return None

    def take_whole(self, kind: Kind) -> Fault | None:
        """The first fault of that kind with all its times."""
        for fault in self._waiting:
            if fault.kind == kind:
                self._waiting.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """No more trouble."""
        self._waiting.clear()

    def listing(self) -> list[dict[str, Any]]:
        """What is still to come."""
        return [asdict(fault) for fault in self._waiting]
