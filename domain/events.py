"""Every event of the log: frozen, versioned, with an explicit topic.

An event holds public facts only, and one `sealed` field with everything personal (docs/events.md). What
is recorded can never change: fields are added with a default, never renamed or given another meaning; a
change of shape raises `class_version` and comes with an `upcast_vN_vN+1` (eventsourcing, "Versioning").
Times are whole Unix seconds in WhatsApp's own time; `timestamp` is the gateway's (`recorded_at`), in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

from eventsourcing.domain import DomainEvent
from eventsourcing.utils import register_topic

from domain.values import value

Json = dict[str, Any]


class Event(DomainEvent):
    """What every event has.

    `originator_id` is the stream, `originator_version` its version (0 until the store numbers it).
    """

    TOPIC: ClassVar[str]

    line: str | None
    """phone_number_id; None for what concerns a whole account."""
    key: str
    """The dedupe key (UUID)."""
    sealed: str | None
    """Personal data, encrypted (gateway/store/keyring.py); None where there is none."""


E = TypeVar("E", bound=Event)


class MessageReceived(Event):
    """A message that reached a line, or a copy of one (`source`)."""

    TOPIC = "MessageReceived"

    message_key: str
    type: str
    source: str
    """live, echo, history, standby, import."""
    at_used: int
    at: int | None = None
    direction: str | None = None
    """outbound: an echo, or a copy of what the business itself sent; None: it came from a customer."""
    subtype: str | None = None
    """Of interactive, system and unsupported ones."""
    opens: str | None = None
    """confirmed or assumed: opens the window; closes: earlier openers stop counting; None: neither."""
    referral: str | None = None
    market: str | None = None
    """Calling code (with three more digits after 1 and 7), or `bsuid:CC` where there is no number."""
    group_key: str | None = None
    participant_key: str | None = None
    errors: list[int] | None = None


class StatusReceived(Event):
    """A status of an outbound message."""

    TOPIC = "StatusReceived"

    message_key: str
    status: str
    source: str
    at_used: int
    at: int | None = None
    send_id: str | None = None
    """Ours, when the status carries it in biz_opaque_callback_data."""
    attempt: int | None = None
    dispatched_at: int | None = None
    """When the send left us, as the status carries it back."""
    code: int | None = None
    pricing: Json | None = None
    """{model, type, category, subtype, billable}, only those given."""
    conversation: Json | None = None
    """{key, origin, expires_at}, only those given."""
    market: str | None = None
    group_key: str | None = None
    participant_key: str | None = None


class CallReceived(Event):
    """A call event (connect, terminate) or a call status (ringing, accepted, rejected)."""

    TOPIC = "CallReceived"

    call_key: str
    event: str
    """connect, terminate, or status."""
    source: str
    at_used: int
    at: int | None = None
    direction: str | None = None
    status: str | None = None
    opens: str | None = None
    market: str | None = None


class _SendDecided(Event):
    send_id: str
    caller: str
    """Name of the API key: of a system, not of a person."""
    face: str
    """cloud or on-premises."""
    kind: str
    """free_form, template, direct_send."""
    type: str
    decision: Json
    """{allowed, mode, reason, policy_version, window: {open_until, opened_by, as_of}, consent}."""
    category: str | None = None
    """As the caller declared it (Direct Send)."""
    template: str | None = None
    language: str | None = None
    market: str | None = None
    group_key: str | None = None
    references: list[str] | None = None
    """Keyed ids of the caller's Idempotency-Key and callback data."""


class SendRequested(_SendDecided):
    """A send the policy let pass."""

    TOPIC = "SendRequested"


class SendRefused(_SendDecided):
    """A send the policy refused: nothing was or will be posted."""

    TOPIC = "SendRefused"


class SendDispatched(Event):
    """Directly before a POST; only its appender may POST."""

    TOPIC = "SendDispatched"

    send_id: str
    attempt: int
    caller: str | None = None
    """Name of the operator's API key, that ordered it; None of a first attempt."""


class _Outcome(Event):
    send_id: str
    attempt: int
    dispatched_at: int


class SendAccepted(_Outcome):
    """WhatsApp answered with a message id."""

    TOPIC = "SendAccepted"

    message_key: str
    http_status: int | None = None


class SendFailed(_Outcome):
    """WhatsApp will not deliver it: refused by WhatsApp, or never left us."""

    TOPIC = "SendFailed"

    http_status: int | None = None
    code: int | None = None
    safe: bool = False
    """Rejected before processing: the same send may be tried again."""
    cause: str | None = None


class SendUnknown(_Outcome):
    """It may or may not have been accepted; never repeated blindly."""

    TOPIC = "SendUnknown"

    http_status: int | None = None
    code: int | None = None
    cause: str | None = None


class SendSettled(Event):
    """An unknown send became known."""

    TOPIC = "SendSettled"

    send_id: str
    attempt: int
    settled_as: str
    """accepted, failed, resend."""
    by: str
    """status, answer (it came after all), operator."""
    message_key: str | None = None
    caller: str | None = None
    """Name of the operator's API key."""


class IdentityLinked(Event):
    """Two persons are one; goes to both streams at once. The first conversation is the root's."""

    TOPIC = "IdentityLinked"

    conversations: list[str]


class ConsentChanged(Event):
    """A person's choice about a category of messages; binds every line of the log."""

    TOPIC = "ConsentChanged"

    category: str
    """As WhatsApp names it (marketing_messages)."""
    value: str
    """stop or resume."""
    source: str
    """whatsapp: the person's own choice in the app."""
    at_used: int
    at: int | None = None
    scope: str | None = None
    by: str | None = None


class TemplateChanged(Event):
    """Something about a template changed; fields say what is true from `at_used` on."""

    TOPIC = "TemplateChanged"

    account: str
    name: str
    language: str
    event: str
    at_used: int
    at: int | None = None
    template_id: str | None = None
    status: str | None = None
    category: str | None = None
    quality: str | None = None
    reason: str | None = None
    previous_category: str | None = None
    definition: str | None = None
    """Keyed id of its components, which are sealed; the same components have the same id."""


class LineChanged(Event):
    """Quality, limit, name or throughput of a line changed."""

    TOPIC = "LineChanged"

    account: str
    field: str
    event: str
    at_used: int
    at: int | None = None
    limit: str | None = None
    number_key: str | None = None
    """Keyed id of the display phone number: WhatsApp names the line by nothing else."""


class AccountNoticeReceived(Event):
    """Any other known notice about an account, a line, a group or a flow.

    With `caller`: no notice of WhatsApp's, but a change that a caller asked for through the gateway.
    """

    TOPIC = "AccountNoticeReceived"

    account: str
    field: str
    at_used: int
    at: int | None = None
    event: str | None = None
    code: int | None = None
    """Of an error that concerns no single message."""
    group_key: str | None = None
    caller: str | None = None
    """Name of the API key."""
    http_status: int | None = None
    """What WhatsApp answered to the change; None: it was about to be passed on."""


class DestinationChanged(Event):
    """A destination of deliveries was made, changed or stopped, by whom or why."""

    TOPIC = "DestinationChanged"

    destination: str
    """Its id."""
    name: str
    event: str
    """added, changed, rotated, paused, resumed, disabled, removed, redelivered."""
    state: str
    """active, paused, disabled; of a removed one the last."""
    reason: str | None = None
    """Why deliveries stopped, where nobody ordered it."""
    caller: str | None = None
    """Name of the API key, `command line` or `settings`."""
    position: int | None = None
    """Redelivered from here on; None: what had failed."""


class MediaKept(Event):
    """The file of a message lies in the vault, sealed under a key that follows from its message's."""

    TOPIC = "MediaKept"

    message_key: str
    message_event: str
    """`key` of the MessageReceived."""
    media_key: str
    """Keyed id of WhatsApp's media id."""
    object: str
    """Its random name in the vault."""


class MediaLost(Event):
    """The file of a message could not be kept, and is not tried again."""

    TOPIC = "MediaLost"

    message_key: str
    message_event: str
    reason: str
    """gone, wrong_content, too_large, not_reached, ...: words of ours."""


class UnrecognisedReceived(Event):
    """Something signed by WhatsApp that we do not understand; kept whole in `sealed`."""

    TOPIC = "UnrecognisedReceived"

    reason: str
    field: str | None = None
    account: str | None = None


def make(
    cls: Callable[..., E],
    stream: UUID,
    /,
    *,
    recorded_at: datetime,
    line: str | None,
    key: UUID,
    sealed: str | None = None,
    **public: Any,
) -> E:
    """An event before the store has numbered it."""
    return cls(
        originator_id=stream,
        originator_version=0,
        timestamp=recorded_at,
        line=line,
        key=str(key),
        sealed=sealed,
        **public,
    )


@value
class Recorded:
    """An event in its place in the log."""

    position: int
    event: Event


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A place in the log whose event this release can't read."""

    position: int
    topic: str
    error: str
    """Class name of what went wrong; never a text, which could quote the content."""


TOPICS: Final[dict[str, type[Event]]] = {
    cls.TOPIC: cls
    for cls in (
        MessageReceived,
        StatusReceived,
        CallReceived,
        SendRequested,
        SendRefused,
        SendDispatched,
        SendAccepted,
        SendFailed,
        SendUnknown,
        SendSettled,
        ConsentChanged,
        IdentityLinked,
        TemplateChanged,
        LineChanged,
        AccountNoticeReceived,
        DestinationChanged,
        MediaKept,
        MediaLost,
        UnrecognisedReceived,
    )
}
"""The closed table of topics: nothing is ever imported because a row of the log names it."""

for _topic, _cls in TOPICS.items():
    register_topic(_topic, _cls)
