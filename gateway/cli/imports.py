"""`ledgerline import`: what another system knows already."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import cyclopts

from domain.csv_rows import UnreadableError
from domain.openers import DEFAULT
from gateway.app import utc_now
from gateway.cli.database import open_log, settings_for_log
from gateway.cli.terminal import CannotStartError, DataDir, complain, run, say
from gateway.imports import consents, windows
from gateway.settings import Settings, SettingsError
from gateway.store.outcomes import InDoubt, NotTaken

app = cyclopts.App(name="import", help="Hand over what another system knows already.")


@app.command(name="windows")
def import_windows(file: Path, /, *, data_dir: DataDir = None) -> None:
    """Record when contacts last wrote (CSV: line,contact,last_inbound), so that their windows are open."""
    settings = settings_for_log(data_dir)
    if not settings.lines:
        raise SettingsError(["LEDGERLINE_LINES is missing: the phone_number_ids that the file may name"])
    if not DEFAULT.with_overrides(settings.openers).rules["import"].is_on:
        raise SettingsError(["ledgerline.toml: [openers] import is false, so an import would open nothing"])
    now = utc_now()
    checked = windows.check(file, lines=settings.lines, now=now)
    if isinstance(checked, windows.Wrong):
        for problem in checked.problems:
            complain(problem)
        complain(f"{len(checked.problems)} problem(s); nothing was imported")
        sys.exit(1)
    run(_import_windows(settings, checked, now))


@app.command(name="consents")
def import_consents(file: Path, /, *, skip_bad: bool = False, data_dir: DataDir = None) -> None:
    """Record what people chose (CSV: contact,category,value,at,source,text[,line]); all lines or none.

    With --skip-bad wrong lines are named and left out.
    """
    settings = settings_for_log(data_dir)
    if not settings.lines:
        raise SettingsError(["LEDGERLINE_LINES is missing: a choice is recorded with one of them"])
    now = utc_now()
    try:
        checked = consents.check(file, lines=settings.lines, now=now)
    except UnreadableError as error:
        raise CannotStartError(str(error)) from None
    for problem in checked.problems:
        complain(problem)
    if checked.problems and not skip_bad:
        complain(f"{len(checked.problems)} problem(s); nothing was imported")
        sys.exit(1)
    run(_import_consents(settings, checked, now))


async def _import_windows(settings: Settings, checked: windows.Checked, now: datetime) -> None:
    openers = DEFAULT.with_overrides(settings.openers)
    async with open_log(settings) as (_, log):
        try:
            imported = await windows.record(log, checked.inbound, openers=openers, now=now)
        except (NotTaken, InDoubt):
            raise CannotStartError("the log does not answer; import the same file again") from None
    for text in windows.told(checked, imported):
        say(text)


async def _import_consents(settings: Settings, checked: consents.Checked, now: datetime) -> None:
    async with open_log(settings) as (_, log):
        try:
            imported = await consents.record(log, checked.choices, now=now)
        except (NotTaken, InDoubt):
            raise CannotStartError("the log does not answer; import the same file again") from None
    for text in consents.told_of(checked, imported):
        say(text)
