"""The eras of WhatsApp's terms, as `eras.toml` holds them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

ANY_TEMPLATE: Final = "template"
"""Stands in `rates` for every template whatever its category: the era knew none."""


@dataclass(frozen=True, slots=True)
class Era:
    """The terms in force from a day of the account's zone on."""

    name: str
    starts: date
    priced: bool
    """False: charged in a unit that is not counted here."""
    rates: Mapping[str, str]
    instead: Mapping[str, str]
    tiered: frozenset[str]
    free_in_window: frozenset[str]
    free_service_messages: int
    """Per line and calendar month."""

    def rate_of(self, category: str) -> str | None:
        """The rate card's category for a message's; None: not charged."""
        if category != "service" and ANY_TEMPLATE in self.rates:
            return self.rates[ANY_TEMPLATE]
        return self.rates.get(category)


@cache
def eras() -> tuple[Era, ...]:
    """All of them, oldest first."""
    text = (files("domain.billing") / "eras.toml").read_text(encoding="utf-8")
    return tuple(sorted(map(_era, tomllib.loads(text)["era"]), key=lambda era: era.starts))


def era_of(day: date, known: Sequence[Era]) -> Era:
    """The era of a day; `known` oldest first, the oldest since ever."""
    return next((era for era in reversed(known) if era.starts <= day), known[0])


def always(name: str) -> tuple[Era, ...] | None:
    """As if the terms of one era had been in force ever since; None where none has this name."""
    return next(((era,) for era in eras() if era.name == name), None)


def _era(data: Mapping[str, Any]) -> Era:
    return Era(
        name=data["name"],
        starts=data["starts"],
        priced=data.get("priced", True),
        rates=data.get("rates", {}),
        instead=data.get("instead", {}),
        tiered=frozenset(data.get("tiered", ())),
        free_in_window=frozenset(data.get("free_in_window", ())),
        free_service_messages=data.get("free_service_messages", 0),
    )
