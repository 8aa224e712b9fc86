"""What `make bench` prints."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as bench
from benchmarks import table
from benchmarks.table import Figure


def test_figures_stand_beside_their_yardsticks_as_markdown() -> None:
    rate = Figure("appends / stock", 15_260.4, 1_044, aim="15 times")
    wait = Figure("p99 / stock", 51.26, 20, aim="60 ms", unit=" ms")

    assert table.markdown([rate, wait], "2 cores", 3).splitlines() == [
        "Medians of 3, 2 cores:",
        "",
        "| what | gateway | yardstick | ratio | aim |",
        "| --- | --- | --- | --- | --- |",
        "| appends / stock | 15,260/s | 1,044/s | 14.62 | 15 times |",
        "| p99 / stock | 51.3 ms | 20.0 ms | 2.56 (+31.3 ms) | 60 ms |",
    ]


async def test_the_machine_is_described(database: str) -> None:
    said = await table.machine(database)

    assert "cores (" in said
    assert "PostgreSQL 1" in said
    assert "fsync" in said


def test_an_unknown_part_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "reading", "speed"])

    with pytest.raises(SystemExit, match="no part is called speed; there are appends, reading, webhooks"):
        bench.main()
