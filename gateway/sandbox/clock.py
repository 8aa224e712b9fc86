"""One clock for simulator and gateway: real time and an offset that only grows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path


def real_time() -> datetime:
    """The machine's clock, aware UTC."""
    return datetime.now(UTC)


class SandboxClock:
    """Real time plus an offset in seconds, kept in the file `path` so that it survives a restart."""

    def __init__(self, path: Path | None = None, *, real: Callable[[], datetime] = real_time) -> None:
        self._path = path
        self._real = real
        self._offset = timedelta(seconds=float(path.read_text()) if path and path.exists() else 0.0)

    def now(self) -> datetime:
        """The sandbox's time, aware UTC."""
        return self._real() + self._offset

    def advance(self, seconds: float) -> datetime:
        """Move forward; ValueError for a way back, or one that leaves the calendar."""
        if not seconds >= 0:
            raise ValueError("must not be negative: the clock only moves forward")
        try:
            offset = self._offset + timedelta(seconds=seconds)
            now = self._real() + offset
        except OverflowError:
            raise ValueError("is too far: the calendar ends with the year 9999") from None
        self._offset = offset
        self._store()
        return now

    def _store(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = self._path.with_suffix(".new")
        whole.write_text(f"{self._offset.total_seconds()}\n")
        whole.replace(self._path)
