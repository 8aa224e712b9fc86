"""`ledgerline rates`: what messages cost."""

from __future__ import annotations

import getpass
import sys
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import cyclopts

from domain.billing.cards import Wrong, read, shipped
from domain.billing.rates import Card
from gateway.app import utc_now
from gateway.cli.database import open_log, settings_for_log
from gateway.cli.terminal import CannotStartError, DataDir, complain, run, say
from gateway.settings import Settings
from gateway.store.rate_cards import Known, RateCards

app = cyclopts.App(name="rates", help="Rate cards: what messages cost.")


@app.command(name="check")
def check(file: Path, /, *, data_dir: DataDir = None) -> None:
    """Name everything that stands in the way of an import by its line; nothing is imported."""
    run(_check(settings_for_log(data_dir), file))


@app.command(name="import")
def import_card(file: Path, /, *, data_dir: DataDir = None) -> None:
    """Import a card (CSV: market,category,tier,rate,currency,valid_from,valid_to); all of it or nothing."""
    run(_import(settings_for_log(data_dir), file))


@app.command(name="withdraw")
def withdraw(card_id: str, /, *, data_dir: DataDir = None) -> None:
    """Let an imported card count no more, so that a right one can take its place; it stays in the list."""
    run(_withdraw(settings_for_log(data_dir), card_id))


@app.command(name="list")
def listing(*, data_dir: DataDir = None) -> None:
    """List the cards that prices come from, imported and shipped."""
    run(_list(settings_for_log(data_dir)))


def right_card(file: Path, currency: str) -> Card:
    """The card in a file; ends the command, naming every problem, where it is wrong."""
    checked = read(_text(file), currency=currency)
    if isinstance(checked, Wrong):
        _refuse(checked)
    return checked


async def _check(settings: Settings, file: Path) -> None:
    text = _text(file)
    async with open_log(settings) as (pool, _):
        found = await RateCards(settings.schema_name).check(pool, text, currency=settings.currency)
    _say(found, "all right")


async def _import(settings: Settings, file: Path) -> None:
    text = _text(file)
    async with open_log(settings) as (pool, _):
        found = await RateCards(settings.schema_name).add(
            pool, text, currency=settings.currency, source=file.name, by=getpass.getuser(), now=utc_now()
        )
    _say(found, "imported")


def _say(found: Card | Known | Wrong, well: str) -> None:
    match found:
        case Wrong():
            _refuse(found)
        case Known(card_id):
            say(f"{card_id} was imported before")
        case Card():
            say(f"{_told(found)}: {well}")


async def _withdraw(settings: Settings, card_id: str) -> None:
    async with open_log(settings, begin=False) as (pool, _):
        cards = RateCards(settings.schema_name)
        if not await cards.withdraw(pool, card_id, by=getpass.getuser(), now=utc_now()):
            raise CannotStartError(f"no imported card that counts is {card_id!r}: see ledgerline rates list")
    say(f"{card_id} counts no more")


async def _list(settings: Settings) -> None:
    async with open_log(settings, begin=False) as (pool, _), pool.acquire() as db:
        imported = await RateCards(settings.schema_name).all(db)
    for one in imported:
        gone = f", withdrawn {_time(one.withdrawn_at)} by {one.withdrawn_by}" if one.withdrawn_at else ""
        say(f"{_told(one.card)}, imported {_time(one.at)} by {one.by} from {one.source}{gone}")
    for card in shipped():
        say(f"{_told(card)}, shipped: counts where no imported card does")
        for comment in card.comments:
            say(f"    {comment}")


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _told(card: Card) -> str:
    first = min(rate.valid_from for rate in card.rates)
    ends = [rate.valid_to for rate in card.rates]
    days = f"from {first} on" if None in ends else f"{first} to before {max(end for end in ends if end)}"
    currencies = ", ".join(sorted({rate.currency for rate in card.rates}))
    return f"{card.card_id}  {currencies}  {days}  {len(card.rates)} rates"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8: save it as CSV UTF-8"
        raise CannotStartError(f"{file}: {why}") from None


def _refuse(wrong: Wrong) -> NoReturn:
    for problem in wrong.problems:
        complain(problem)
    complain(f"{len(wrong.problems)} problem(s); nothing was imported")
    sys.exit(1)
