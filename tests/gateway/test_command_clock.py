"""What time it is for a command."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gateway.app import utc_now
from gateway.cli.database import SANDBOX_CLOCK, now_of
from gateway.cli.reporting import asked_for
from gateway.sandbox.clock import SandboxClock
from gateway.settings.loading import load

YEAR = timedelta(days=366)


def test_a_report_of_a_sandbox_goes_by_the_clock_that_was_moved(tmp_path: Path) -> None:
    SandboxClock(tmp_path / SANDBOX_CLOCK).advance(YEAR.total_seconds())
    embedded = load(data_dir=tmp_path)

    assert now_of(embedded) >= utc_now() + YEAR - timedelta(minutes=1)
    assert asked_for(embedded, None, None, None).from_day == now_of(embedded).date().replace(day=1)


def test_a_log_of_its_own_goes_by_the_machines_clock(tmp_path: Path) -> None:
    SandboxClock(tmp_path / SANDBOX_CLOCK).advance(YEAR.total_seconds())
    settings = load(data_dir=tmp_path, database_url="postgresql://localhost/ledgerline")

    assert now_of(settings) < utc_now() + timedelta(minutes=1)
