"""What happens in the sandbox, and the journal that brings it back after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

# Times are whole Unix seconds, as exact as WhatsApp tells them.


@dataclass(frozen=True, slots=True)
class Wrote:
    """A customer wrote `item`, a message object without id and time."""

    customer: str
    message_id: str
    at: int
    item: dict[str, Any]
    name: str | None


@dataclass(frozen=True, slots=True)
class Called:
    """A customer called, hung up or answered: `item` is a call or call status object."""

    customer: str
    call_id: str
    at: int
    item: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WasRead:
    """A customer read these messages."""

    customer: str
    message_ids: list[str]
    at: int


@dataclass(frozen=True, slots=True)
class WasAccepted:
    """WhatsApp answered this send with 200; `marketing`: by the Marketing Messages API.

    `fails_with`: the code of the status that is called back for it, whatever it is; None: by the rules.
    """

    message_id: str
    at: int
    body: dict[str, Any]
    marketing: bool
    fails_with: int | None = None


@dataclass(frozen=True, slots=True)
class TemplateBecame:
    """WhatsApp gave a template another status or category, each in capitals, in all its languages."""

    name: str
    at: int
    status: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class TemplateMade:
    """The account made a template, or changed its components; `category` in capitals."""

    name: str
    language: str
    category: str
    components: list[dict[str, Any]]
    parameter_format: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The gateway answered these callbacks, by their numbers, with 200."""

    updates: list[int]


Happening = Wrote | Called | WasRead | WasAccepted | TemplateBecame | TemplateMade | Acknowledged
_NAMED: Final[Mapping[str, type[Happening]]] = {
    kind.__name__: kind
    for kind in (Wrote, Called, WasRead, WasAccepted, TemplateBecame, TemplateMade, Acknowledged)
}


class Journal:
    """Happenings as JSON lines in the file `path`; kept nowhere without one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)

    def read(self) -> Iterator[Happening]:
        """Everything that happened, in order; a line that a kill cut short is dropped."""
        if self._path is None:
            return
        _cut_torn_line(self._path)
        with self._path.open(encoding="ascii") as lines:
            for line in lines:
                [(kind, kept)] = json.loads(line).items()
                yield _NAMED[kind](**kept)

    def write(self, happening: Happening) -> None:
        """Add one."""
        if self._path is None:
            return
        kept = {field.name: getattr(happening, field.name) for field in fields(happening)}
        with self._path.open("a", encoding="ascii") as lines:
            lines.write(json.dumps({type(happening).__name__: kept}) + "\n")


def _cut_torn_line(path: Path) -> None:
    whole = path.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        with path.open("r+b") as file:
            file.truncate(end)
