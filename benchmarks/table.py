"""Figures beside their yardsticks, and the machine they were taken on, as Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import asyncpg

Unit = Literal["/s", " ms"]


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of the gateway and, in the same run, of a yardstick: medians."""

    name: str
    """What / the yardstick."""
    ours: float
    theirs: float
    aim: str
    """In plain words; "" where there is none."""
    unit: Unit = "/s"

    def cells(self) -> tuple[str, str, str, str, str]:
        """As a row of the table."""
        ratio = f"{self.ours / self.theirs:.2f}"
        if self.unit == " ms":
            ratio += f" ({self.ours - self.theirs:+.1f} ms)"
        return self.name, self._written(self.ours), self._written(self.theirs), ratio, self.aim

    def _written(self, value: float) -> str:
        return f"{value:,.0f}{self.unit}" if self.unit == "/s" else f"{value:,.1f}{self.unit}"


Say = Callable[[Figure], None]


def markdown(figures: Sequence[Figure], machine: str, rounds: int) -> str:
    """The table as docs/performance.md holds it."""
    head = [f"Medians of {rounds}, {machine}:", ""]
    rows = [("what", "gateway", "yardstick", "ratio", "aim"), ("---",) * 5, *(one.cells() for one in figures)]
    return "\n".join(head + [f"| {' | '.join(row)} |" for row in rows])


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Of ours, and of theirs."""
    return statistics.median(ours for ours, _ in pairs), statistics.median(theirs for _, theirs in pairs)


async def machine(url: str) -> str:
    """Where this runs: cores, memory, kernel, PostgreSQL, Python, and how busy it was."""
    db = await asyncpg.connect(url)
    try:
        server = await db.fetchval("show server_version")
        fsync = await db.fetchval("show fsync")
    finally:
        await db.close()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = (
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{len(os.sched_getaffinity(0))} cores ({_processor()})",
        f"{memory:.0f} GiB of memory",
        f"{platform.system()} {platform.release()}",
        f"PostgreSQL {server.split()[0]} with fsync {fsync}",
        f"Python {platform.python_version()}",
        f"Ledgerline {version('ledgerline')}",
        f"load {os.getloadavg()[0]:.1f} at the start",
    )
    return ", ".join(parts)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
