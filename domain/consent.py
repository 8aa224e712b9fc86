"""What a person wants to be sent, as a fold over the events of all its conversations, whatever the line.

A consent is a handful of maxima, like a window: any order, repetition or split of the events gives the same
one. The newest choice by time wins; at one time the larger key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from domain.events import ConsentChanged, Event, SendFailed, StatusReceived

Category = Literal["marketing", "all"]
Value = Literal["stop", "resume"]

OPTED_OUT: Final = 131050
"""WhatsApp's error code for marketing to a person who stopped it."""
LIMITED: Final = 131049
"""WhatsApp's error code for marketing to a person who was sent enough of it, by whomever."""
PAUSE: Final = 24 * 3600
"""Seconds for which WhatsApp asks to leave a person alone after it."""

CATEGORIES: Final[dict[str, Category]] = {
    "marketing_messages": "marketing",
    "marketing": "marketing",
    "all": "all",
}
"""What a ConsentChanged may name, and what it is about; nothing is known of other words."""


class Choice(NamedTuple):
    """One choice of a person; the larger one is the newer."""

    at: int
    key: str
    """Of the event that says so."""
    value: str
    """stop or resume."""
    source: str
    """whatsapp, keyword, api, import; 131050: WhatsApp refused a message of that kind."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What is known of one person; None where nothing is."""

    marketing: Choice | None = None
    everything: Choice | None = None
    """Newest choice about all messages; one about marketing alone may be newer."""
    limited_at: int | None = None
    """When WhatsApp last held marketing back with 131049."""

    @property
    def about_marketing(self) -> Choice | None:
        """The choice that counts for marketing."""
        return _newer(self.marketing, self.everything)

    @property
    def about_everything(self) -> Choice | None:
        """The choice that counts for what is no marketing; who resumes marketing resumes the rest."""
        resumes = self.marketing if self.marketing and self.marketing.value == "resume" else None
        return _newer(self.everything, resumes) if self.everything else None

    @property
    def opted_in(self) -> bool:
        """Whether marketing was asked for. A keyword lifts a stop, but asks for no marketing by itself."""
        choice = self.everything if self.everything and self.everything.source != "keyword" else None
        return any(one is not None and one.value == "resume" for one in (self.marketing, choice))


NOTHING_KNOWN: Final = Consent()


def fold(consent: Consent, event: Event) -> Consent:
    """The consent after one more event of any conversation of the person; most events change nothing."""
    match event:
        case ConsentChanged(value="stop" | "resume", category=category) if category in CATEGORIES:
            choice = Choice(event.at_used, event.key, event.value, event.source)
            of_all = CATEGORIES[category] == "all"
            return merge(consent, Consent(everything=choice) if of_all else Consent(marketing=choice))
        case StatusReceived(status="failed", code=int(code)) if event.source != "standby":
            return _refused(consent, code, event.at_used, event.key)
        case SendFailed(code=int(code)):
            return _refused(consent, code, event.dispatched_at, event.key)
        case _:
            return consent


def merge(a: Consent, b: Consent) -> Consent:
    """The consent of one person, known by two streams."""
    return Consent(
        marketing=_newer(a.marketing, b.marketing),
        everything=_newer(a.everything, b.everything),
        limited_at=max((at for at in (a.limited_at, b.limited_at) if at is not None), default=None),
    )


def recorded(choice: Choice | None) -> dict[str, Any]:
    """What a decision says it saw."""
    if choice is None:
        return {"state": "none"}
    return {"state": choice.value, "source": choice.source, "at": choice.at, "key": choice.key}


def _refused(consent: Consent, code: int, at: int, key: str) -> Consent:
    """WhatsApp's refusals tell as much as its notices do; a stop is assumed until a later resume."""
    if code == OPTED_OUT:
        return merge(consent, Consent(marketing=Choice(at, key, "stop", str(OPTED_OUT))))
    return merge(consent, Consent(limited_at=at)) if code == LIMITED else consent


def _newer(a: Choice | None, b: Choice | None) -> Choice | None:
    return max((choice for choice in (a, b) if choice), default=None)
