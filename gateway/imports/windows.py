"""`ledgerline import windows`: when each contact last wrote, so that its window is known at the cut-over.

The file is CSV with a header, `line,contact,last_inbound`. Either every line of it is right, or nothing is
recorded; the same file again records nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from domain.csv_rows import Cells, UnreadableError
from domain.events import MessageReceived
from domain.facts import Alias, AliasKind, Fact, Person
from domain.ids import Ids
from domain.inbound import wire
from domain.inbound.whom import market_of
from domain.openers import Openers
from domain.people import canonical
from domain.window import LENGTH
from gateway.consents import person
from gateway.imports import csv_file
from gateway.store.log import Log
from gateway.store.outcomes import Appended

COLUMNS: Final = ("line", "contact", "last_inbound")
SOURCE: Final = "import"
TYPE: Final = "imported"
"""What the message was is not known."""
PAGE: Final = 500
"""Facts that the log stores together."""
PATIENCE: Final = 60.0
"""Seconds a page waits for the log: a first import meets people that the directory has to learn."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One line of the file: who wrote to which line, and when (Unix seconds)."""

    line: str
    contact: Alias
    at: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """The file can't be imported: every problem, with its line number; what the file holds is not quoted."""

    problems: list[str]


@dataclass(frozen=True, slots=True)
class Checked:
    """The file is right."""

    inbound: list[Inbound]
    """What may still be open, each once."""
    skipped: int
    """Lines older than a window is long: they open nothing."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of it."""

    recorded: int
    known: int
    """Recorded by an earlier import."""


def check(path: Path, *, lines: Sequence[str], now: datetime) -> Checked | Wrong:
    """Read the whole file. `lines`: those that may be named; `now`: later times are refused."""
    problems: list[str] = []
    found: dict[Inbound, None] = {}
    skipped, at = 0, int(now.timestamp())
    try:
        for number, cells in csv_file.rows(path, COLUMNS):
            read = [cells] if isinstance(cells, str) else _read(cells, lines, at)
            if isinstance(read, list):
                problems += [f"line {number}: {problem}" for problem in read]
            elif read.at <= at - LENGTH:
                skipped += 1
            else:
                found[read] = None
    except UnreadableError as error:
        problems.append(str(error))
    return Wrong(problems) if problems else Checked([*found], skipped)


def _read(row: Cells, lines: Sequence[str], now: int) -> Inbound | list[str]:
    problems = []
    if row["line"] not in lines:
        problems.append(f"line is not configured; these are: {', '.join(lines)}")
    contact = person(row["contact"])
    if contact is None:
        problems.append("contact must be a phone number in digits, with or without +, or a user id (CC.…)")
    at = _seconds(row["last_inbound"])
    if at is None:
        problems.append(
            "last_inbound must be a time with a zone, such as 2026-11-23T09:30:00Z, or Unix seconds"
        )
    elif at > now:
        problems.append("last_inbound lies in the future")
    if contact is None or at is None or problems:
        return problems
    return Inbound(row["line"], canonical(contact), at)


def _seconds(text: str) -> int | None:
    if text.isascii() and text.isdigit():
        at = int(text) if len(text) <= len(str(wire.MILLISECONDS)) else wire.MILLISECONDS
    else:
        try:
            moment = datetime.fromisoformat(text)
            at = int(moment.astimezone(UTC).timestamp()) if moment.tzinfo else 0
        except (ValueError, OverflowError):
            return None
    return at if wire.EARLIEST <= at < wire.MILLISECONDS else None


async def record(log: Log, inbound: Sequence[Inbound], *, openers: Openers, now: datetime) -> Imported:
    """Record each as a message that opened its window. After NotTaken or InDoubt: again."""
    opens = openers.of_message(TYPE, None, None, SOURCE)
    facts = [_fact(one, log.ids, opens, now) for one in inbound]
    recorded = 0
    for start in range(0, len(facts), PAGE):
        recordings = await log.record(facts[start : start + PAGE], patience=PATIENCE)
        recorded += sum(isinstance(one, Appended) for one in recordings)
    return Imported(recorded, len(facts) - recorded)


def _fact(one: Inbound, ids: Ids, opens: str | None, now: datetime) -> Fact:
    key = ids.key("message", one.line, one.contact.kind, one.contact.value, one.at, SOURCE)
    public = {
        "message_key": str(key),
        "type": TYPE,
        "source": SOURCE,
        "opens": opens,
        "market": market_of([one.contact]),
        "at": one.at,
        "at_used": one.at,
    }
    field = "from" if one.contact.kind is AliasKind.PHONE else "user_id"
    return Fact(
        MessageReceived, one.line, Person((one.contact,)), key, now, public, {field: one.contact.value}
    )


def told(checked: Checked, imported: Imported) -> Iterable[str]:
    """What the operator is told."""
    yield f"recorded {imported.recorded}: their windows are open"
    if imported.known:
        yield f"known    {imported.known}: imported before"
    if checked.skipped:
        yield f"skipped  {checked.skipped}: older than 24 hours, so they open nothing"
