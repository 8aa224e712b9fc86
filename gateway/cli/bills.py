"""`ledgerline report`: what WhatsApp bills, what stands behind it, and whether WhatsApp agrees."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import cyclopts

from domain.billing import adjusting, eras, tally
from domain.billing.analytics import Point, Told, read
from gateway import report
from gateway.api.query import FIRST_DAY, LAST_DAY
from gateway.api.reports import Asked
from gateway.cli.database import now_of, settings_for_log
from gateway.cli.rates import right_card
from gateway.cli.reporting import As, Body, From, To, answered, asked_for, say_report
from gateway.cli.terminal import CannotStartError, DataDir, complain, run
from gateway.reports import bill_texts, closing
from gateway.reports.analytics import NoAnalyticsError, fetched
from gateway.reports.billing import Terms
from gateway.reports.filters import OF_MESSAGES
from gateway.settings import Settings
from gateway.store.postgres import Pool
from gateway.upstream import Upstream

Groups = Annotated[str, cyclopts.Parameter(help="With commas: " + ", ".join(tally.GROUPS))]
AsOf = Annotated[
    str | None, cyclopts.Parameter(help="A position of the log, or a time: 2026-12-01T00:00:00Z.")
]
Supposed = Annotated[
    tuple[str, ...], cyclopts.Parameter(name="--what-if", help="rates=FILE, or era=NAME; repeatable.")
]
Where = Annotated[
    tuple[str, ...],
    cyclopts.Parameter(help="NAME=VALUE, of " + ", ".join(OF_MESSAGES) + "; repeatable; NAME= for none."),
]
CLOSED: Final = (*adjusting.BY, *tally.COUNTS, "cost")


def billing(  # noqa: PLR0913 - each one an option of the report
    *,
    from_day: From = None,
    to_day: To = None,
    line: str | None = None,
    group_by: Groups = "day",
    as_of: AsOf = None,
    what_if: Supposed = (),
    written: As = "table",
    data_dir: DataDir = None,
) -> None:
    """What was delivered, what of it is charged, and what it costs; --to is exclusive."""
    settings = settings_for_log(data_dir)
    asked = asked_for(settings, from_day, to_day, line)
    groups, terms = _groups(group_by), _terms(what_if, settings.currency)
    body = run(
        answered(
            settings,
            lambda pool: report.billing(pool, settings, asked, groups, as_of=as_of, terms=terms),
        )
    )
    body |= {"supposed": list(what_if)} if what_if else {}
    say_report(body, written, bill_texts.billing, (*groups, *bill_texts.CHARGED))
    if written == "csv":
        if body["unread"]:
            complain(bill_texts.unread(body["unread"]))
        for missing in body["missing_rates"]:
            complain(f"not in the cost: {bill_texts.missing(missing)}")


def _groups(text: str) -> list[str]:
    words = [word for word in text.split(",") if word]
    for word in words:
        if word not in tally.GROUPS:
            raise CannotStartError(f"--group-by {word!r} is not one of {', '.join(tally.GROUPS)}")
    return [name for name in tally.GROUPS if name in words]


def charges(  # noqa: PLR0913 - each one an option of the report
    *,
    from_day: From = None,
    to_day: To = None,
    line: str | None = None,
    where: Where = (),
    as_of: AsOf = None,
    after: Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=0))] = 0,
    limit: Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1))] = 1_000,
    written: As = "table",
    data_dir: DataDir = None,
) -> None:
    """The messages behind a figure of the billing report, each with its charge; --to is exclusive."""
    settings = settings_for_log(data_dir)
    asked, chosen = asked_for(settings, from_day, to_day, line), _where(where)

    async def read(pool: Pool) -> Body:
        return await report.charges(pool, settings, asked, chosen, after=after, limit=limit, as_of=as_of)

    body = run(answered(settings, read))
    if written != "json":
        body["rows"] = body.pop("messages")
    say_report(body, written, bill_texts.charges, bill_texts.MESSAGE)
    if body["next"] == after + limit:
        complain(f"there may be more: --after {body['next']}")


def _where(given: Sequence[str]) -> dict[str, str]:
    parted = [text.partition("=") for text in given]
    for text, (name, is_given, _) in zip(given, parted, strict=True):
        if not is_given or name not in OF_MESSAGES:
            raise CannotStartError(f"--where {text!r} is not NAME=VALUE, of {', '.join(OF_MESSAGES)}")
    return {name: value for name, _, value in parted}


def reconcile(
    *,
    from_day: From = None,
    to_day: To = None,
    line: str | None = None,
    analytics: Path | None = None,
    fetch: bool = False,
    written: As = "table",
    data_dir: DataDir = None,
) -> None:
    """Our charges against WhatsApp's pricing of each message, or against its pricing analytics.

    --analytics: an answer in JSON; --fetch: ask WhatsApp for one now.
    """
    settings = settings_for_log(data_dir)
    asked = asked_for(settings, from_day, to_day, line)
    if not (analytics or fetch):
        body = run(answered(settings, lambda pool: report.reconciled(pool, settings, asked)))
        say_report(body, written, bill_texts.reconciled, bill_texts.RECONCILED)
        return
    if analytics and fetch:
        raise CannotStartError("--analytics and --fetch are two ways to the same: leave one out")
    if line is not None:
        raise CannotStartError("the analytics are the whole account's: leave --line out")
    told = _analytics(analytics, settings) if analytics else run(_fetched(settings, asked))
    body = run(answered(settings, lambda pool: report.compared(pool, settings, asked, told)))
    say_report(body, written, bill_texts.compared, bill_texts.COMPARED)


def close(month: str, /, *, written: As = "table", data_dir: DataDir = None) -> None:
    """Note the bill of a month (YYYY-MM) for good; once closed: what of it has changed since."""
    settings = settings_for_log(data_dir)
    first, now = _month(month), now_of(settings)
    if closing.following(first) > now.astimezone(ZoneInfo(settings.time_zone)).date():
        raise CannotStartError(f"{month} is not over yet in {settings.time_zone}")
    by = getpass.getuser()
    body = run(answered(settings, lambda pool: report.closed(pool, settings, first, by=by, now=now)))
    if written == "csv":
        parts = {"bill": body["bill"]["rows"], "adjustment": body["rows"]}
        body["rows"] = [{"part": part} | _only(row) for part, rows in parts.items() for row in rows]
    say_report(body, written, bill_texts.closed, ("part", *CLOSED))


def _only(row: Body) -> Body:
    return {name: row[name] for name in CLOSED}


def _month(text: str) -> date:
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        month = date.max
    if not FIRST_DAY < month < LAST_DAY:
        raise CannotStartError(f"{text!r} is not a month such as 2026-11")
    return month


def _analytics(file: Path, settings: Settings) -> dict[Told, Point]:
    try:
        return read(file.read_bytes(), ZoneInfo(settings.time_zone))
    except OSError as error:
        raise CannotStartError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise CannotStartError(f"{file}: {error}") from None


async def _fetched(settings: Settings, asked: Asked) -> dict[Told, Point]:
    if not settings.waba or settings.access_token is None:
        raise CannotStartError("--fetch needs LEDGERLINE_WABA and LEDGERLINE_ACCESS_TOKEN")
    token = settings.access_token.get_secret_value()
    upstream = Upstream(settings.upstream_url, token, timeout=settings.upstream_timeout)
    try:
        return await fetched(upstream, settings.waba, asked, now=now_of(settings))
    except NoAnalyticsError as error:
        raise CannotStartError(str(error)) from None
    finally:
        await upstream.close()


def _terms(given: Sequence[str], currency: str) -> Terms:
    """`era=NAME` and `rates=FILE`."""
    supposed = Terms()
    for text in given:
        name, _, value = text.partition("=")
        if getattr(supposed, {"era": "eras", "rates": "card"}.get(name, name), None):
            raise CannotStartError(f"--what-if {name}= is given twice")
        if name == "era" and (only := eras.always(value)):
            supposed = replace(supposed, eras=only)
        elif name == "rates":
            supposed = replace(supposed, card=right_card(Path(value), currency))
        else:
            known = ", ".join(era.name for era in eras.eras())
            raise CannotStartError(f"--what-if {text!r} is not rates=FILE, nor era= one of {known}")
    return supposed
