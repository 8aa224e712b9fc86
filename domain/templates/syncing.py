"""WhatsApp's own list of templates against what the log knows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain.events import TemplateChanged
from domain.facts import Account, Fact
from domain.ids import Ids
from domain.inbound import wire

Json = dict[str, Any]
Name = tuple[str, str]
"""Name and language."""

SYNCED: Final = "synced"
"""`event` of what a look at WhatsApp's list found out."""
_GONE: Final = "DELETED"
_FRESH: Final = 600
"""Seconds after a word about a template in which a list without it may be older than that word."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the log holds of a template."""

    newest: int
    """The newest time of anything said of it (Unix seconds)."""
    status: str | None = None
    category: str | None = None
    quality: str | None = None
    definition: str | None = None
    """Keyed id of its components."""


def differences(
    account: str, listing: Sequence[Json], remembered: Mapping[Name, Remembered], *, at: datetime, ids: Ids
) -> list[Fact]:
    """A fact for each template that is not as remembered; `listing` is whole, and was asked for at `at`."""
    return [*_differences(_Look(account, at, ids), listing, remembered)]


@dataclass(frozen=True, slots=True)
class _Look:
    account: str
    at: datetime
    ids: Ids

    def fact(self, name: Name, said: Json, item: Json, before: Remembered | None) -> Fact:
        """What the list says becomes true now, and later than all that was said before."""
        at = max(int(self.at.timestamp()), before.newest + 1 if before else 0)
        told = {"account": self.account, "name": name[0], "language": name[1], "event": SYNCED}
        replaced = (before.newest, *_words(before)) if before else ()
        content = wire.canonical([said, replaced])
        key = self.ids.key("template-synced", self.account, *name, content)
        return Fact(
            TemplateChanged,
            None,
            Account(self.account),
            key,
            self.at,
            public=told | said | {"at_used": at},
            private={"item": item} if item else {},
        )


def _differences(
    look: _Look, listing: Sequence[Json], remembered: Mapping[Name, Remembered]
) -> Iterator[Fact]:
    listed: set[Name] = set()
    for item in listing:
        name, language = wire.name(item.get("name")), wire.language(item.get("language"))
        if name is None or language is None or (name, language) in listed:
            continue
        listed.add((name, language))
        before = remembered.get((name, language))
        kept = _without_examples(item)
        said = _said(kept, look.ids)
        if any(said.get(one) not in (None, held) for one, held in _held(before).items()):
            yield look.fact((name, language), said, kept, before)
    for name_language, before in remembered.items():
        fresh = before.newest > int(look.at.timestamp()) - _FRESH
        if name_language not in listed and before.status != _GONE and not fresh:
            yield look.fact(name_language, {"status": _GONE}, {}, before)


def _said(item: Json, ids: Ids) -> Json:
    quality = item.get("quality_score")
    score = quality.get("score") if isinstance(quality, dict) else quality
    definition = {name: item.get(name) for name in ("parameter_format", "components")}
    known = isinstance(item.get("components"), list)
    return {
        "template_id": wire.object_id(item.get("id")),
        "status": wire.word(item.get("status")),
        "category": wire.word(item.get("category")),
        "previous_category": wire.word(item.get("previous_category")),
        "quality": wire.word(score),
        "reason": wire.word(item.get("rejected_reason")),
        "definition": str(ids.key("template-definition", wire.canonical(definition))) if known else None,
    }


def _held(before: Remembered | None) -> dict[str, str | None]:
    names = ("status", "category", "quality", "definition")
    return dict(zip(names, _words(before) if before else (None,) * len(names), strict=True))


def _words(before: Remembered) -> tuple[str | None, ...]:
    return (before.status, before.category, before.quality, before.definition)


def _without_examples(value: Any) -> Any:
    """Examples of media are addresses that are signed anew with every look."""
    if isinstance(value, dict):
        return {name: _without_examples(inner) for name, inner in value.items() if name != "example"}
    return [_without_examples(inner) for inner in value] if isinstance(value, list) else value
