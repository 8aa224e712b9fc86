"""What a verification found wrong, told as it is found, so that it holds no more than counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable


class Findings:
    """Tells each finding at once, and counts them by check."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._wrong: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many there were."""
        return self._wrong.total()

    def add(self, check: str, position: int, text: str) -> None:
        """`text` names no person: it is about positions, streams, keyed ids and send_ids."""
        self._wrong[check] += 1
        self._say(f"{'WRONG':7} {check:18} position {position}: {text}")

    def conclude(self, check: str, text: str) -> None:
        """Say what was checked, and how many findings there were."""
        wrong = self._wrong[check]
        self._say(f"{'WRONG' if wrong else 'ok':7} {check:18} {text}" + (f"; {wrong} wrong" if wrong else ""))
