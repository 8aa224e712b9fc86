"""Which charges stand behind a figure: those that are what a report's row says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from domain.billing.pricing import Charge
from domain.billing.reconciling import cause_of
from domain.billing.tally import GROUPS, group_of

OF_SENDS: Final = tuple(name for name in GROUPS if name != "line")
"""What sends and messages can be chosen by; the line is no filter of what is priced."""
FLAGS: Final[Mapping[str, Callable[[Charge], bool]]] = {
    "billable": lambda charge: charge.billable,
    "differs": lambda charge: cause_of(charge) is not None,
}
OF_MESSAGES: Final = (*OF_SENDS, "free_because", "lacks", *FLAGS)
NOTHING: Final = ""
"""As a value: what has none."""
_BOOLEANS: Final = {"true": True, "false": False}


class WrongFilterError(ValueError):
    """A filter with a value that it can't have; the arguments: its name, the value, what would be right."""


def wanted(told: Mapping[str, str], names: Sequence[str]) -> Callable[[Charge], bool]:
    """Whether a charge is all that is told of it. Raises WrongFilterError."""
    for name, value in told.items():
        if name not in names:
            raise WrongFilterError(name, value, f"one of {', '.join(names)}")
        if name in FLAGS and value not in _BOOLEANS:
            raise WrongFilterError(name, value, "true or false")
    return lambda charge: all(_said(charge, name) == _meant(name, value) for name, value in told.items())


def _meant(name: str, value: str) -> str | bool:
    return _BOOLEANS[value] if name in FLAGS else value


def _said(charge: Charge, name: str) -> str | bool:
    if name in FLAGS:
        return FLAGS[name](charge)
    said: str | None = group_of(charge, name) if name in GROUPS else getattr(charge, name)
    return said or NOTHING
