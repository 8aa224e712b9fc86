"""Histories of a few conversations, as hypothesis draws them, and logs made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import strategies as st

from domain.events import (
    CallReceived,
    ConsentChanged,
    Event,
    MediaKept,
    MediaLost,
    MessageReceived,
    Recorded,
    SendAccepted,
    SendDispatched,
    SendFailed,
    SendRefused,
    SendRequested,
    SendSettled,
    SendUnknown,
    StatusReceived,
    TemplateChanged,
)

E = TypeVar("E", bound=Event)

LINES = ("106540352242922", "106540352242923")
NOW = 1_793_000_000
HOUR = 3600
STREAMS = [UUID(int=n) for n in (11, 12, 13)]
MESSAGES = [str(UUID(int=n)) for n in range(101, 109)]
SENDS = [str(UUID(int=n)) for n in range(201, 204)]
PARTICIPANTS = [None, None, str(UUID(int=301)), str(UUID(int=302))]
REFERENCES = [str(UUID(int=n)) for n in (401, 402)]

times = st.integers(NOW - 60 * HOUR, NOW).map(lambda at: at - at % 1800)
sends = st.sampled_from(SENDS)
keys = st.sampled_from(MESSAGES)
lines = st.sampled_from(LINES)
files = st.sampled_from([str(UUID(int=1000 + n)) for n in range(30)])
attempts = st.integers(1, 2)
decisions = st.sampled_from(
    [{}, {"reason": "window_open"}, *({"reason": one, "observed": True} for one in ("closed", "opted_out"))]
)
codes = st.sampled_from([None, 131047, 131026, 131049, 131050])
pricings = st.none() | st.fixed_dictionaries(
    {"model": st.just("PMP"), "category": st.sampled_from(["utility", "marketing"])},
    optional={
        "type": st.sampled_from(["regular", "free_customer_service"]),
        "billable": st.booleans(),
        "subtype": st.just("paid_exempt"),
    },
)


def _made(cls: Callable[..., Event], **strategies: Any) -> st.SearchStrategy[Event]:
    rim = {
        "originator_id": st.sampled_from(STREAMS),
        "originator_version": st.just(0),
        "timestamp": st.just(datetime.fromtimestamp(NOW, UTC)),
        "line": lines,
        "key": st.just(""),
        "sealed": st.none(),
    }
    return st.builds(cls, **(rim | strategies))


events = st.one_of(
    _made(
        MessageReceived,
        message_key=keys,
        type=st.sampled_from(["text", "image"]),
        source=st.sampled_from(["live", "echo", "standby"]),
        at_used=times,
        opens=st.sampled_from([None, "confirmed", "assumed", "closes"]),
        market=st.sampled_from([None, "44"]),
    ),
    _made(
        StatusReceived,
        message_key=keys,
        status=st.sampled_from(["sent", "delivered", "read", "played", "failed", "warning"]),
        source=st.sampled_from(["live", "live", "standby"]),
        at_used=times,
        send_id=st.none() | sends,
        attempt=st.none() | attempts,
        dispatched_at=st.none() | times,
        code=codes,
        pricing=pricings,
        participant_key=st.sampled_from(PARTICIPANTS),
        conversation=st.none()
        | st.builds(lambda at: {"origin": "referral_conversion", "expires_at": at}, times),
    ),
    _made(
        CallReceived,
        call_key=keys,
        event=st.just("connect"),
        source=st.just("live"),
        at_used=times,
        opens=st.sampled_from([None, "confirmed"]),
    ),
    *(
        _made(
            cls,
            send_id=sends,
            caller=st.sampled_from(["crm", "shop"]),
            face=st.just("cloud"),
            kind=st.sampled_from(["free_form", "template"]),
            type=st.just("text"),
            decision=decisions,
            category=st.sampled_from([None, "utility"]),
            references=st.none() | st.lists(st.sampled_from(REFERENCES), unique=True),
        )
        for cls in (SendRequested, SendRefused)
    ),
    _made(SendDispatched, send_id=sends, attempt=attempts),
    _made(SendAccepted, send_id=sends, attempt=attempts, dispatched_at=times, message_key=keys),
    _made(SendFailed, send_id=sends, attempt=attempts, dispatched_at=times, code=codes),
    _made(SendUnknown, send_id=sends, attempt=attempts, dispatched_at=times),
    _made(
        SendSettled,
        send_id=sends,
        attempt=attempts,
        settled_as=st.sampled_from(["accepted", "failed", "resend"]),
        by=st.just("operator"),
        message_key=st.none() | keys,
    ),
    _made(
        MediaKept,
        message_key=keys,
        message_event=files,
        media_key=st.sampled_from(MESSAGES),
        object=st.just(MESSAGES[0]),
    ),
    _made(MediaLost, message_key=keys, message_event=files, reason=st.just("gone")),
    _made(
        ConsentChanged,
        category=st.sampled_from(["marketing_messages", "all"]),
        value=st.sampled_from(["stop", "resume"]),
        source=st.sampled_from(["whatsapp", "keyword", "api"]),
        at_used=times,
    ),
    _made(
        TemplateChanged,
        account=st.just("waba"),
        name=st.sampled_from(["greeting", "receipt"]),
        language=st.just("en"),
        event=st.just("update"),
        at_used=times,
        status=st.sampled_from([None, "APPROVED", "REJECTED"]),
        category=st.sampled_from([None, "UTILITY", "MARKETING"]),
        quality=st.sampled_from([None, "GREEN"]),
        reason=st.sampled_from([None, "INVALID_FORMAT"]),
    ),
)


def made(cls: type[E], **public: Any) -> E:
    """One event; what its class needs beyond line and key is given in `public`."""
    rim = {
        "line": LINES[0],
        "key": str(uuid4()),
        "sealed": None,
        "timestamp": datetime.fromtimestamp(NOW, UTC),
    }
    return cls(**(rim | {"originator_id": STREAMS[0], "originator_version": 0} | public))


def message(**public: Any) -> MessageReceived:
    """One message that came in, as live text unless told otherwise."""
    known = {"message_key": str(uuid4()), "type": "text", "source": "live", "at_used": NOW}
    return made(MessageReceived, **(known | public))


def _consistent(drawn: Sequence[Event]) -> list[Event]:
    """Each event its own dedupe key, each attempt of a send its own message, each file one outcome."""
    history: list[Event] = []
    files: set[str] = set()
    for n, event in enumerate(drawn):
        if isinstance(event, MediaKept | MediaLost):
            if event.message_event in files:
                continue
            files.add(event.message_event)
        public = {"key": str(UUID(int=1000 + n))}
        send_id = getattr(event, "send_id", None)
        if send_id is not None and getattr(event, "message_key", None) is not None:
            attempt = getattr(event, "attempt", None) or 1
            public["message_key"] = MESSAGES[2 * SENDS.index(send_id) + attempt - 1]
        history.append(replace(event, **public))
    return history


histories = st.lists(events, max_size=30).map(_consistent)


def log_of(history: Iterable[Event], *, after: int = 0) -> list[Recorded]:
    """The events in their places: positions behind `after`, versions from 1 in each stream."""
    versions: Counter[UUID] = Counter()
    log = []
    for position, event in enumerate(history, after + 1):
        stream = event.originator_id
        versions[stream] += 1
        log.append(Recorded(position, replace(event, originator_version=versions[stream])))
    return log
