"""`ledgerline report`: the operational reports of the API, as text."""

from __future__ import annotations

from typing import Annotated

import cyclopts

from gateway import report
from gateway.api.open_windows import HOURS, MAX_HOURS
from gateway.cli.database import now_of, settings_for_log
from gateway.cli.reporting import As, From, To, answered, asked_for, say_report
from gateway.cli.terminal import DataDir, run
from gateway.reports import open_windows, texts
from projections import delivery, observed, refusals

Hours = Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1, lte=MAX_HOURS))]

app = cyclopts.App(name="report", help="Reports as text.")


@app.command(name="observed")
def report_observed(
    *,
    from_day: From = None,
    to_day: To = None,
    line: str | None = None,
    written: As = "table",
    data_dir: DataDir = None,
) -> None:
    """What enforcing would have refused, against what WhatsApp did; --to is exclusive."""
    settings = settings_for_log(data_dir)
    asked = asked_for(settings, from_day, to_day, line)
    body = run(answered(settings, lambda pool: report.observed(pool, settings.schema_name, asked)))
    say_report(body, written, texts.observed, (*observed.GROUPS, *observed.COUNTS))


@app.command(name="delivery")
def report_delivery(
    *,
    from_day: From = None,
    to_day: To = None,
    line: str | None = None,
    written: As = "table",
    data_dir: DataDir = None,
) -> None:
    """What arrived, how fast, and why the rest failed; --to is exclusive."""
    settings = settings_for_log(data_dir)
    asked = asked_for(settings, from_day, to_day, line)
    body = run(answered(settings, lambda pool: report.delivery(pool, settings.schema_name, asked)))
    say_report(
        body, written, texts.delivery, ("line", *delivery.COUNTS, *delivery.RATES, *delivery.LATENCIES)
    )


@app.command(name="refusals")
def report_refusals(
    *,
    from_day: From = None,
    to_day: To = None,
    line: str | None = None,
    written: As = "table",
    data_dir: DataDir = None,
) -> None:
    """What the policy refused, and what that most likely avoided; --to is exclusive."""
    settings = settings_for_log(data_dir)
    asked = asked_for(settings, from_day, to_day, line)
    body = run(answered(settings, lambda pool: report.refusals(pool, settings.schema_name, asked)))
    say_report(body, written, texts.refusals, (*refusals.DEFAULT, *refusals.COUNTS, "avoided"))


@app.command(name="windows")
def report_windows(
    *, line: str | None = None, hours: Hours = HOURS, written: As = "table", data_dir: DataDir = None
) -> None:
    """Which windows are open now, and how many close within --hours; JSON lists those."""
    settings = settings_for_log(data_dir)
    now = now_of(settings)
    body = run(
        answered(settings, lambda pool: report.windows(pool, settings, now=now, hours=hours, line=line))
    )
    say_report(body, written, texts.windows, ("line", "mode", "margin", *open_windows.COUNTS))
