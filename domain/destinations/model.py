"""A destination, and which events it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from domain.events import (
    AccountNoticeReceived,
    CallReceived,
    ConsentChanged,
    Event,
    LineChanged,
    MessageReceived,
    StatusReceived,
    TemplateChanged,
    UnrecognisedReceived,
)

Format = Literal["whatsapp", "events"]
State = Literal["active", "paused", "disabled"]
"""paused: by an operator, or after five days of failures; disabled: it answered 410."""

FORMATS: Final[tuple[Format, ...]] = get_args(Format)
SOURCES: Final = ("live", "echo", "history", "standby", "import")

CARRIED: Final[frozenset[str]] = frozenset(
    one.TOPIC
    for one in (
        MessageReceived,
        StatusReceived,
        CallReceived,
        ConsentChanged,
        TemplateChanged,
        LineChanged,
        AccountNoticeReceived,
        UnrecognisedReceived,
    )
)
"""The topics that come from WhatsApp's callbacks, and so can go out in its format."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are wanted; an empty set: any.

    `types` and `sources` judge the events that have a type or a source, and let the others pass.
    """

    lines: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def takes(self, event: Event) -> bool:
        """Whether the event is wanted."""
        return (
            (not self.topics or event.TOPIC in self.topics)
            and (not self.lines or event.line in self.lines)
            and (not self.types or _one_of(self.types, event, "type"))
            and (not self.sources or _one_of(self.sources, event, "source"))
        )


def _one_of(wanted: frozenset[str], event: Event, name: str) -> bool:
    value = getattr(event, name, None)
    # A consent's source is no way by which a callback came.
    return value is None or isinstance(event, ConsentChanged) or value in wanted


@dataclass(frozen=True, slots=True)
class Secret:
    """What signs; `until`: when a secret that was replaced stops, None for the newest."""

    value: str = field(repr=False)
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """An internal system."""

    id: UUID
    name: str
    url: str
    format: Format
    filter: Filter
    state: State
    reason: str | None
    revision: int
    """Grows with every change."""
    created_at: datetime
    secrets: tuple[Secret, ...] = field(repr=False)
    """The newest first."""
    headers: dict[str, str] = field(repr=False)

    def takes(self, event: Event) -> bool:
        """Whether the event goes there."""
        if self.format == "whatsapp" and event.TOPIC not in CARRIED:
            return False
        return self.filter.takes(event)

    def signs_with(self, now: datetime) -> tuple[str, ...]:
        """The secrets that are valid, the newest first."""
        return tuple(one.value for one in self.secrets if one.until is None or now < one.until)
