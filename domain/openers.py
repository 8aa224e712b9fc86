"""What opens the customer service window: a table of rules, each confirmed or assumed.

Sources: windows and pricing reference, section 1, and the policy table. A rule is applied once, when a fact
is recorded, and its effect stands in the event (`opens`); so a fold needs no table and a switch changes only
what comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

Effect = Literal["confirmed", "assumed", "closes"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: what it does when it is on, and whether WhatsApp confirms that."""

    effect: Effect | None
    is_on: bool
    is_assumed: bool
    """WhatsApp does not say; may be switched in `[openers]` of ledgerline.toml."""
    reason: str


_CONFIRMED: Final = Rule("confirmed", is_on=True, is_assumed=False, reason="the customer wrote or called")
_NEVER: Final = Rule(None, is_on=False, is_assumed=False, reason="nothing that a customer said")


def _assumed(effect: Effect, *, is_on: bool, reason: str) -> Rule:
    return Rule(effect, is_on=is_on, is_assumed=True, reason=reason)


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "message": _CONFIRMED,
        "user_call": _CONFIRMED,
        "business_call_accepted": _CONFIRMED,
        "notice": _NEVER,
        "echo": _NEVER,
        "business_call_other": _assumed("assumed", is_on=False, reason="the customer did not answer"),
        "reaction": _assumed(
            "assumed", is_on=False, reason="one source says that it opens; WhatsApp is silent"
        ),
        "call_permission_by_user": _assumed("assumed", is_on=False, reason="likely opens; undocumented"),
        "call_permission_automatic": _assumed("assumed", is_on=False, reason="nobody acted"),
        "edit": _assumed("assumed", is_on=False, reason="undocumented"),
        "revoke": _assumed("assumed", is_on=False, reason="undocumented"),
        "unsupported": _assumed("assumed", is_on=True, reason="still a message of the customer"),
        "unknown_type": _assumed("assumed", is_on=True, reason="newer than this release; likely a message"),
        "history": _assumed("assumed", is_on=False, reason="a copy from before the line was connected"),
        "standby": _assumed("assumed", is_on=False, reason="a copy of a thread that somebody else owns"),
        "import": _assumed(
            "assumed", is_on=True, reason="what another system recorded, handed over at a cut-over"
        ),
        "number_changed": _assumed("closes", is_on=True, reason="the new number has not written yet"),
    }
)
"""Every rule by its name."""

_BY_TYPE: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        ("text", "image", "video", "audio", "voice", "document", "sticker", "location", "contacts"), "message"
    )
    | dict.fromkeys(("order", "button", "interactive"), "message")
    | dict.fromkeys(("system", "request_welcome", "media_placeholder"), "notice")
    | {"reaction": "reaction", "edit": "edit", "revoke": "revoke", "unsupported": "unsupported"}
)
_NUMBER_CHANGES: Final = frozenset({"user_changed_number", "customer_changed_number"})


@dataclass(frozen=True, slots=True)
class Openers:
    """The table as one gateway applies it."""

    rules: Mapping[str, Rule]

    def with_overrides(self, switches: Mapping[str, bool]) -> Openers:
        """The table with some assumed rules switched. ValueError names a rule that can't be."""
        rules = dict(self.rules)
        for name, is_on in switches.items():
            rule = rules.get(name)
            if rule is None or not rule.is_assumed:
                known = ", ".join(name for name, rule in rules.items() if rule.is_assumed)
                raise ValueError(f"{name!r} is no rule that may be switched; these are: {known}")
            rules[name] = replace(rule, is_on=is_on)
        return Openers(MappingProxyType(rules))

    def of_message(
        self, type_: str, subtype: str | None, response_source: str | None, source: str
    ) -> Effect | None:
        """What a message does to its conversation's window; None: nothing.

        `response_source`: of a call permission reply.
        """
        effect = self._effect(_rule_of(type_, subtype, response_source))
        match source:
            case "live":
                return effect
            case "history" | "standby":
                return self._effect(source) if effect in ("confirmed", "assumed") else None
            case "import":
                return self._effect("import")
            case _:
                return None

    def of_call(self, event: str, direction: str | None, status: str | None) -> Effect | None:
        """What a call event (connect, terminate) or call status (event "status") does; None: nothing."""
        if event == "connect" and direction == "USER_INITIATED":
            return self._effect("user_call")
        if direction != "BUSINESS_INITIATED" or event == "terminate":
            return None
        is_accepted = event == "status" and status == "ACCEPTED"
        return self._effect("business_call_accepted" if is_accepted else "business_call_other")

    def _effect(self, name: str) -> Effect | None:
        rule = self.rules[name]
        return rule.effect if rule.is_on else None


def _rule_of(type_: str, subtype: str | None, response_source: str | None) -> str:
    if type_ == "interactive" and subtype == "call_permission_reply":
        by_user = response_source == "user_action"
        return "call_permission_by_user" if by_user else "call_permission_automatic"
    if type_ == "system" and subtype in _NUMBER_CHANGES:
        return "number_changed"
    return _BY_TYPE.get(type_, "unknown_type")


DEFAULT: Final = Openers(RULES)
"""The rules as WhatsApp is taken to apply them."""
