"""Values of which a long log makes millions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen, slotted dataclass that the type checker keeps frozen, and not each assignment.

    A dataclass that guards its fields itself takes three times as long to make.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
