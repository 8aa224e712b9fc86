"""`ledgerline import consents`: what people chose before the gateway, or elsewhere.

The file is CSV with a header, `contact,category,value,at,source,text`, and `line` where it matters in whose
conversation a choice stands; it binds every line all the same. The same file again records nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from domain.csv_rows import Cells
from domain.facts import Alias
from gateway.consents import NoConsentError, Told, fact, person, told
from gateway.imports import csv_file
from gateway.store.log import Log
from gateway.store.outcomes import Appended

COLUMNS: Final = ("contact", "category", "value", "at", "source", "text")
BY: Final = "import"
PAGE: Final = 500
"""Facts that the log stores together."""
PATIENCE: Final = 60.0
"""Seconds a page waits for the log: a first import meets people that the directory has to learn."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the file."""

    line: str
    person: Alias
    told: Told


@dataclass(frozen=True, slots=True)
class Checked:
    """What the file tells, and what is wrong with it."""

    choices: list[Choice]
    problems: list[str]
    """Each with the number of its line, and what would be right; they quote nothing personal."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of it."""

    recorded: int
    known: int
    """Told before, by a file or by the API."""


def check(path: Path, *, lines: Sequence[str], now: datetime) -> Checked:
    """Read the whole file. `lines`: those configured; `now`: later times are refused.

    Raises UnreadableError.
    """
    choices: list[Choice] = []
    problems: list[str] = []
    for number, cells in csv_file.rows(path, COLUMNS, optional=("line",)):
        found = cells if isinstance(cells, str) else _read(cells, lines, now)
        if isinstance(found, Choice):
            choices.append(found)
        else:
            problems.append(f"line {number}: {found}")
    return Checked(choices, problems)


def _read(given: Cells, lines: Sequence[str], now: datetime) -> Choice | str:
    """The choice a line tells, or what is wrong with it."""
    alias, line = person(given["contact"]), given.get("line") or lines[0]
    if alias is None:
        return "contact must be a phone number in digits, with or without +, or a user id (CC.…)"
    if line not in lines:
        return "line must be a configured one: " + ", ".join(lines)
    try:
        return Choice(line, alias, told(given, now))
    except NoConsentError as error:
        return str(error)


async def record(log: Log, choices: Sequence[Choice], *, now: datetime) -> Imported:
    """Record each choice once. After NotTaken or InDoubt: again."""
    facts = [
        fact(one.told, one.person, line=one.line, source="import", by=BY, ids=log.ids, now=now)
        for one in choices
    ]
    facts = list({one.key: one for one in facts}.values())
    recorded = 0
    for start in range(0, len(facts), PAGE):
        recordings = await log.record(facts[start : start + PAGE], patience=PATIENCE)
        recorded += sum(isinstance(one, Appended) for one in recordings)
    return Imported(recorded, len(choices) - recorded)


def told_of(checked: Checked, imported: Imported) -> Iterator[str]:
    """What the operator is told."""
    yield f"recorded {imported.recorded}"
    if imported.known:
        yield f"known    {imported.known}: told before"
    if checked.problems:
        yield f"skipped  {len(checked.problems)}: wrong lines, named above"
