"""What a recorded decision saw and why it came out as it did, in plain words without personal data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

Json = dict[str, Any]


class Words(NamedTuple):
    """A reason of the policy in words; `{until}` is the window's end, `{kind}` the kind of send."""

    why: str
    passes: str = "ask whoever runs the gateway which rule this is"
    """What can be done where it stood in the way."""


_ANY_TIME: Final = "a template or Direct Send may go out at any time; this kind once the person writes again"
_OTHER_TEMPLATE: Final = "send another template, or this one once WhatsApp approves it"
_TEMPLATE_WANTS: Final = "send it with what GET /api/templates shows of the template"
_NOTHING: Final = "nothing stood in its way"

WORDS: Final[Mapping[str, Words]] = {
    "needs_no_window": Words("{kind} needs no open window", _NOTHING),
    "window_open": Words("the window was open until {until}", _NOTHING),
    "never_opened": Words(
        "the window never opened: the person has not written to this line, or what came does not count",
        _ANY_TIME,
    ),
    "window_closed": Words("the window closed at {until}", _ANY_TIME),
    "window_closing": Words(
        "the window closes at {until}, which is within the safety margin, so WhatsApp might judge it closed",
        _ANY_TIME,
    ),
    "opted_out": Words(
        "the person has stopped messages of this kind", "it can go out once the person resumes them"
    ),
    "no_opt_in": Words(
        "this line sends marketing only to people who asked for it, and no opt-in was known",
        "record one with POST /api/people/{contact}/consents",
    ),
    "recently_limited": Words(
        "WhatsApp held marketing to this person back within the last 24 hours (131049)",
        "wait until 24 hours have passed, or until the person writes",
    ),
    "us_marketing": Words(
        "this line sends no marketing to the USA, where WhatsApp delivers none",
        "a utility or authentication template may go out",
    ),
    "template_missing": Words("WhatsApp had no such template in this language", _OTHER_TEMPLATE),
    "template_not_approved": Words("WhatsApp had not approved the template", _OTHER_TEMPLATE),
    "template_paused": Words("WhatsApp had paused the template", _OTHER_TEMPLATE),
    "template_disabled": Words("WhatsApp had disabled the template for good", _OTHER_TEMPLATE),
    "category_drift": Words(
        "WhatsApp has made the template a marketing one, which this line does not accept", _OTHER_TEMPLATE
    ),
    "parameter_missing": Words("a parameter of the template was missing", _TEMPLATE_WANTS),
    "parameter_count": Words("the number of parameters did not match the template", _TEMPLATE_WANTS),
    "parameter_kind": Words("a parameter was of another kind than the template wants", _TEMPLATE_WANTS),
    "parameter_text": Words(
        "a parameter was empty, or held a new line, a tab or more than four spaces", _TEMPLATE_WANTS
    ),
    "text_too_long": Words("the template was too long with its parameters", _TEMPLATE_WANTS),
}
"""Any other reason is told by its own name."""

KINDS: Final[Mapping[str, str]] = {
    "free_form": "a free-form message",
    "template": "a template",
    "direct_send": "a Direct Send",
}


def moment(seconds: int) -> str:
    """Whole Unix seconds as RFC 3339, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def why(decision: Json, kind: str) -> str:
    """The reason of a decision, as a clause."""
    window = decision.get("window") or {}
    until = window.get("open_until")
    shown = {
        "until": "a time not recorded" if until is None else moment(until),
        "kind": KINDS.get(kind, kind.replace("_", " ")),
    }
    return _words(decision).why.format(**shown)


def passes(decision: Json) -> str:
    """What would pass in place of a refused send, or when this one will, as a clause."""
    return _words(decision).passes


def seen(decision: Json) -> str:
    """What the policy saw, as one sentence."""
    window = decision.get("window") or {}
    until, opener, as_of = (window.get(name) for name in ("open_until", "opened_by", "as_of"))
    parts = ["no window" if until is None else f"a window until {moment(until)}"]
    if opener:
        parts.append(f"last opened by the message or call with the key {opener}")
    if consent := decision.get("consent"):
        parts.append(_consent(consent))
    upto = f"the log up to position {as_of}" if as_of else "no earlier event of this conversation"
    return f"The policy, version {decision.get('policy_version')}, read {upto} and saw {', '.join(parts)}."


def _words(decision: Json) -> Words:
    reason = str(decision.get("reason"))
    return WORDS.get(reason) or Words(f"the policy's reason is: {_plain(reason)}")


def _plain(word: str) -> str:
    return word.replace("_", " ").replace("{", "(").replace("}", ")")


def _consent(consent: object) -> str:
    """Consent as its fields say; what shape it has is the policy's own affair."""
    if not isinstance(consent, dict):
        return f"the consent {_plain(str(consent))}"
    told = {name: value for name, value in consent.items() if name != "key" and value is not None}
    said = (
        f"{_plain(name)} {moment(value) if isinstance(value, int) and name.endswith('at') else value}"
        for name, value in told.items()
    )
    return f"the person's consent ({', '.join(said)})"
