"""What a caller may ask for, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from domain import markets
from domain.policy import Kind

Json = dict[str, Any]
Face = Literal["cloud", "on-premises"]


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A well-formed send. Exactly one of `to`, `recipient` and `group_id` is set."""

    face: Face
    kind: Kind
    type: str
    """A word fit for the open: what is no plain word is `unknown`, here and in `category`."""
    body: Json = field(repr=False)
    """As the caller wrote it; from the on-premises face, already in the Cloud API's shape."""
    to: str | None = field(default=None, repr=False)
    """Phone number, digits only."""
    recipient: str | None = field(default=None, repr=False)
    """Business-scoped user id."""
    group_id: str | None = field(default=None, repr=False)
    category: str | None = None
    """As declared for Direct Send."""
    template: str | None = None
    language: str | None = None
    callback_data: str | None = field(default=None, repr=False)
    """The caller's own biz_opaque_callback_data."""

    @property
    def contact(self) -> str:
        """Whom it is for: digits, business-scoped user id, or group id."""
        return self.group_id or self.to or self.recipient or ""

    @property
    def market(self) -> str | None:
        """The market prefix of the recipient."""
        if self.to:
            return markets.prefix_of_phone(self.to)
        return markets.prefix_of_bsuid(self.recipient) if self.recipient else None

    @property
    def is_to_us(self) -> bool:
        """Whether it goes to a number, or a person, of the USA."""
        return markets.is_us(self.market)


@dataclass(frozen=True, slots=True)
class Read:
    """A read receipt, with or without a typing indicator: no decision, no event."""

    body: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """What the caller must change; holds nothing of what the caller sent."""

    code: int
    """In the dialect of the caller's face."""
    field: str
    details: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """The codes by which a face says what is wrong."""

    face: Face
    missing: int
    wrong: int
    not_json: int


CLOUD: Final = Dialect("cloud", missing=131008, wrong=131009, not_json=100)
ONPREM: Final = Dialect("on-premises", missing=1008, wrong=1009, not_json=1025)
