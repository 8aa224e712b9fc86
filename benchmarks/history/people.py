"""The customers: who they are, and how often each of them has to do with the business."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import accumulate
from random import Random
from typing import Final

from benchmarks.history.plan import SHARDS
from domain.consent import Choice, Consent
from domain.events import ConsentChanged
from domain.facts import Fact
from domain.window import Window


@dataclass(frozen=True, slots=True)
class Line:
    """A number of the business."""

    id: str
    number: str
    account: str


ACCOUNTS: Final = ("102290129340398", "102290129340399")
LINES_OF_A_SHARD: Final = 3
EXPONENT: Final = 0.9
FLATTER: Final = 10
"""Zipf's law as Mandelbrot flattened it: the busiest conversation holds some thousandths of the whole."""


def _countries() -> list[tuple[str, str]]:
    """Calling code and country, one of each market."""
    with (files("domain.billing") / "markets.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["valid_to"]]
    found = {row["market"]: (row["prefix"], row["country"]) for row in rows}
    # Of North America's one code the area tells the country.
    return [("1212", "US") if prefix == "1" else (prefix, country) for prefix, country in found.values()]


COUNTRIES: Final = _countries()


@dataclass(slots=True)
class Contact:
    """A customer, and what the business knows of their wishes."""

    number: str
    user_id: str
    name: str
    line: Line
    window: Window = field(default_factory=Window)
    consent: Consent = field(default_factory=Consent)
    is_paired: bool = True
    """WhatsApp names number and user id together."""
    member: str | None = None
    """This is a group (`number` its id), and this one of its members."""

    def learn(self, fact: Fact) -> None:
        """What a recorded fact changes for the next decision."""
        at = fact.public.get("at_used", 0)
        if fact.public.get("opens") in ("confirmed", "assumed") and at >= (self.window.opened_at or 0):
            key = fact.public.get("message_key") or fact.public.get("call_key")
            self.window = Window(opened_at=at, opened_by=key, confirmed_at=at)
        if fact.event is ConsentChanged:
            choice = Choice(at, str(fact.key), fact.public["value"], fact.public["source"])
            is_all = fact.public["category"] == "all"
            self.consent = Consent(everything=choice) if is_all else Consent(marketing=choice)


class People:
    """The customers of a shard; each is made when first met."""

    def __init__(self, shard: int, amount: int, chance: Random) -> None:
        self._shard = shard
        self.lines = [_line(shard * LINES_OF_A_SHARD + nth) for nth in range(LINES_OF_A_SHARD)]
        self._chance = chance
        ranks = (nth * SHARDS + shard for nth in range(amount))
        self._weights = list(accumulate(1 / (rank + FLATTER) ** EXPONENT for rank in ranks))
        self._met: dict[int, Contact] = {}
        self._once = iter(range(min(amount, len(COUNTRIES))))
        self._strangers = 0
        self._groups: dict[str, Contact] = {}

    def anyone(self) -> Contact:
        """Somebody: at first one of each country, then whoever comes, some far more often."""
        nth = next(self._once, None)
        if nth is None:
            nth = self._chance.choices(range(len(self._weights)), cum_weights=self._weights)[0]
        found = self._met.get(nth)
        if found is None:
            found = self._met[nth] = self._made(nth * SHARDS + self._shard)
        return found

    def stranger(self) -> Contact:
        """Somebody whose number and user id were never named together."""
        self._strangers += 1
        made = self._made(500_000_000 + self._strangers * SHARDS + self._shard)
        made.is_paired = False
        return made

    def group(self, member: Contact) -> Contact:
        """A group of the member's line."""
        group_id = f"GRP_{member.line.id}_{self._shard}_{self._chance.randrange(20)}"
        found = self._groups.get(group_id)
        if found is None:
            found = Contact(group_id, member.user_id, group_id, member.line, is_paired=False)
            self._groups[group_id] = found
        found.member = member.number
        return found

    def move(self, contact: Contact) -> str:
        """The contact's new number."""
        self._strangers += 1
        prefix = contact.number[:-11]
        contact.number = _number(prefix, 700_000_000 + self._strangers * SHARDS + self._shard)
        return contact.number

    def _made(self, rank: int) -> Contact:
        prefix, country = COUNTRIES[rank % len(COUNTRIES)]
        return Contact(
            number=_number(prefix, rank),
            user_id=f"{country}.{7_000_000_000_000_000 + rank}",
            name=f"{_NAMES[rank % len(_NAMES)]} {rank}",
            line=self.lines[rank // SHARDS % LINES_OF_A_SHARD],
        )


def _line(nth: int) -> Line:
    return Line(f"1065403522{nth:05d}", f"155501{nth:05d}", ACCOUNTS[nth % len(ACCOUNTS)])


def _number(prefix: str, rank: int) -> str:
    """Nobody has a number that goes on with two zeros."""
    return f"{prefix}00{rank:09d}"


_NAMES: Final = ("Ana", "Björn", "Chidi", "Dewi", "Émile", "Fatima", "Guðrún", "Hye-jin", "Igor", "ジュン")
