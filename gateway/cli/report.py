"""`ledgerline report`: the reports of the API, as text."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import cyclopts

from gateway import report
from gateway.api.reports import Asked, current_month
from gateway.app import utc_now
from gateway.cli.database import open_log, settings_for_log
from gateway.cli.terminal import DataDir, run, say
from gateway.settings import Settings

Day = Annotated[date | None, cyclopts.Parameter(help="YYYY-MM-DD, in LEDGERLINE_TIME_ZONE.")]

app = cyclopts.App(name="report", help="Reports as text.")


@app.command(name="observed")
def report_observed(
    *,
    from_day: Annotated[Day, cyclopts.Parameter(name="--from")] = None,
    to_day: Annotated[Day, cyclopts.Parameter(name="--to")] = None,
    line: str | None = None,
    data_dir: DataDir = None,
) -> None:
    """What enforcing would have refused, against what WhatsApp did; --to is exclusive."""
    settings = settings_for_log(data_dir)
    first, last = current_month(utc_now(), settings.time_zone)
    asked = Asked(from_day or first, to_day or last, settings.time_zone, line)
    run(_report_observed(settings, asked))


async def _report_observed(settings: Settings, asked: Asked) -> None:
    async with open_log(settings) as (pool, _):
        found = await report.observed(pool, settings.schema_name, asked)
    for text in report.told(found, asked):
        say(text)
