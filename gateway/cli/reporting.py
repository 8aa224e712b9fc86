"""How a report is asked for, read and said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date
from typing import Annotated, Any

import cyclopts

from gateway.api.reports import Asked, current_month
from gateway.cli.database import now_of, open_log
from gateway.cli.terminal import CannotStartError, complain, say
from gateway.reports import tables, texts
from gateway.reports.as_of import NoPositionError
from gateway.reports.filters import WrongFilterError
from gateway.reports.tables import Format
from gateway.settings import Settings
from gateway.store.postgres import Pool

Body = dict[str, Any]


def _day(_: object, tokens: Sequence[cyclopts.Token]) -> date:
    try:
        return date.fromisoformat(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a day such as 2026-11-23") from None


Day = Annotated[
    date | None, cyclopts.Parameter(help="YYYY-MM-DD, in LEDGERLINE_TIME_ZONE.", converter=_day, n_tokens=1)
]
From = Annotated[Day, cyclopts.Parameter(name="--from")]
To = Annotated[Day, cyclopts.Parameter(name="--to")]
As = Annotated[Format, cyclopts.Parameter(name="--format")]


def asked_for(settings: Settings, from_day: date | None, to_day: date | None, line: str | None) -> Asked:
    """The days and the line; the current month without days. Raises CannotStartError."""
    first, last = current_month(now_of(settings), settings.time_zone)
    asked = Asked(from_day or first, to_day or last, settings.time_zone, line)
    if asked.to_day <= asked.from_day:
        raise CannotStartError(f"--to {asked.to_day} is exclusive and must be after --from {asked.from_day}")
    if line is not None and not (line.isascii() and line.isdigit()):
        raise CannotStartError(f"--line {line!r} is not a phone_number_id: digits")
    if line is not None and settings.lines and line not in settings.lines:
        complain(f"--line {line} is none of LEDGERLINE_LINES, {', '.join(settings.lines)}")
    return asked


async def answered(settings: Settings, read: Callable[[Pool], Awaitable[Body]]) -> Body:
    """What is read of the log of the settings. Raises CannotStartError for what can't be asked."""
    async with open_log(settings, begin=False) as (pool, _):
        try:
            return await read(pool)
        except NoPositionError as error:
            raise CannotStartError(f"--as-of is not {error}") from None
        except WrongFilterError as error:
            name, value, right = error.args
            raise CannotStartError(f"--where {name}={value!r} is not {right}") from None


def say_report(
    body: Body, written: Format, text: Callable[[Body], Iterable[str]], names: Sequence[str]
) -> None:
    """The report as it is wanted; `text`: its lines as a table, `names`: its columns as CSV."""
    match written:
        case "table":
            for line in text(body):
                say(line)
        case "csv":
            say(texts.as_csv(body, names))
        case "json":
            say(tables.as_json(body))
