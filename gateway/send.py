"""A send, from the caller's request to its outcome.

Policy, then SendRequested and SendDispatched in one append, then one POST, then the outcome, then the
answer (docs/how-it-works.md). WhatsApp has no idempotency key: a POST is made only by whoever appended its
SendDispatched, and never again when its outcome is unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from domain import callback_data, graph_errors, markets, policy
from domain.callback_data import Dispatch
from domain.events import (
    Event,
    SendAccepted,
    SendDispatched,
    SendFailed,
    SendRefused,
    SendRequested,
    SendUnknown,
)
from domain.facts import Alias, AliasKind, Evidence, Fact, Group, Person, Subject
from domain.outbound import SendRequest, upstream_body
from domain.people import of_user_id
from domain.window import disputed_by
from gateway import upstream
from gateway.auth import ApiKey
from gateway.gateway import Gateway
from gateway.logs import get_logger
from gateway.store.codec import decode
from gateway.store.outcomes import Appended, InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE
from projections.window import NEVER_SEEN, Read

PATIENCE = 5.0
"""Seconds a caller waits for the log before it is told that nothing was sent."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """WhatsApp's own answer."""

    send_id: UUID
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The policy refused; nothing was posted."""

    send_id: UUID
    decision: policy.Refused


@dataclass(frozen=True, slots=True)
class Failed:
    """WhatsApp refused it, or it never left (`code` None)."""

    send_id: UUID
    status: int
    code: int | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent; the caller must not send it again."""

    send_id: UUID


@dataclass(frozen=True, slots=True)
class Busy:
    """Nothing was or will be posted; the caller may try again."""


Answer = Accepted | Refused | Failed | Unknown | Busy


@dataclass(frozen=True, slots=True)
class _Send:
    """One send on its way."""

    gateway: Gateway
    asked: SendRequest
    line: str
    caller: ApiKey
    path: str
    reference: str | None
    send_id: UUID
    now: datetime


async def send(
    gateway: Gateway,
    asked: SendRequest,
    *,
    line: str,
    caller: ApiKey,
    path: str,
    reference: str | None = None,
) -> Answer:
    """Send once, or say why not. `path` is the upstream path; `reference` the caller's Idempotency-Key."""
    one = _Send(gateway, asked, line, caller, path, reference, uuid4(), gateway.clock())
    try:
        answer = await _decided_and_done(one)
    except (NotTaken, *DATABASE_GONE):
        answer = Busy()
    gateway.metrics.sends.labels(asked.face, asked.kind, type(answer).__name__.lower()).inc()
    return answer


async def _decided_and_done(one: _Send) -> Answer:
    seen = await _window(one)
    settings, now = one.gateway.settings, int(one.now.timestamp())
    decision = policy.decide(
        one.asked, seen.window, now=now, margin=settings.margin(one.line), mode=settings.mode(one.line)
    )
    match decision:
        case policy.Refused():
            return await _refuse(one, decision, seen.as_of)
        case policy.Allowed(observed=observed):
            if observed:
                one.gateway.metrics.observed.inc()
            return await _forward(one, decision, seen.as_of)


async def _window(one: _Send) -> Read:
    """The window as it is at this moment, however far its projection lags."""
    gateway, asked = one.gateway, one.asked
    async with asyncio.timeout(PATIENCE):
        conversation = (
            gateway.log.group(one.line, asked.group_id)
            if asked.group_id
            else await gateway.log.conversation(one.line, asked.contact)
        )
        if conversation is None:
            return NEVER_SEEN
        async with gateway.pool.acquire() as db:
            seen = await gateway.windows.read(db, conversation.streams, decode)
    if disputed_by(seen.window) is not None:
        gateway.metrics.disputed.inc()
    return seen


async def _refuse(one: _Send, decision: policy.Refused, as_of: int) -> Answer:
    # Recorded or not, nothing was posted: the answer is the same.
    with contextlib.suppress(InDoubt):
        await one.gateway.log.record([_decided(one, SendRefused, decision, as_of)], patience=PATIENCE)
    return Refused(one.send_id, decision)


async def _forward(one: _Send, decision: policy.Allowed, as_of: int) -> Answer:
    requested = _decided(one, SendRequested, decision, as_of)
    dispatched = _fact(one, SendDispatched, "dispatch", {"attempt": 1}, {})
    try:
        _, dispatch = await one.gateway.log.record([requested, dispatched], patience=PATIENCE)
    except InDoubt as doubt:
        one.gateway.keep(_not_attempted(one, doubt))
        return Busy()
    if not isinstance(dispatch, Appended):
        raise AssertionError("a send_id drawn a moment ago was dispatched before")  # noqa: TRY004 - a mistake of ours
    # From here on the send goes its way, whether its caller stays or not.
    return await asyncio.shield(one.gateway.keep(_post(one)))


async def _post(one: _Send) -> Answer:
    opaque = callback_data.write(Dispatch(one.send_id, 1, _dispatched_at(one)))
    with one.gateway.metrics.upstream.time():
        outcome = await one.gateway.upstream.post(one.path, upstream_body(one.asked, opaque))
    answer, fact = _judge(one, outcome)
    recording = one.gateway.keep(_record_surely(one.gateway, fact))
    done, _ = await asyncio.wait({recording}, timeout=PATIENCE)
    return answer if done else Unknown(one.send_id)


async def _not_attempted(one: _Send, doubt: InDoubt) -> None:
    """The caller was told that nothing was sent; if the request is stored after all, say so in the log."""
    outcomes = await doubt.outcomes
    if all(isinstance(outcome, Appended) for outcome in outcomes):
        failed = {"attempt": 1, "dispatched_at": _dispatched_at(one), "safe": True, "cause": "not attempted"}
        await _record_surely(one.gateway, _fact(one, SendFailed, "outcome", failed, {}))


async def _record_surely(gateway: Gateway, fact: Fact) -> None:
    """Record what has happened already, however long the log is away."""
    pause = 0.1
    while True:
        try:
            await gateway.log.record([fact], patience=PATIENCE)
        except (NotTaken, *DATABASE_GONE):
            get_logger().warning(
                "outcome waits for the log", topic=fact.event.TOPIC, send_id=fact.public["send_id"]
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        except InDoubt:
            continue  # the same key again: a duplicate if it was stored
        else:
            return


def _judge(one: _Send, outcome: upstream.Outcome) -> tuple[Answer, Fact]:
    common = {"attempt": 1, "dispatched_at": _dispatched_at(one)}
    match outcome:
        case upstream.NotSent(cause):
            public = common | {"safe": True, "cause": cause}
            return Failed(one.send_id, 503, None, b""), _fact(one, SendFailed, "outcome", public, {})
        case upstream.Lost(cause):
            fact = _fact(one, SendUnknown, "outcome", common | {"cause": cause}, {})
            return Unknown(one.send_id), fact
        case upstream.Answered(status, body):
            return _judge_answer(one, status, body, common | {"http_status": status})


def _judge_answer(one: _Send, status: int, body: bytes, common: dict[str, Any]) -> tuple[Answer, Fact]:
    private = {"answer": body.decode("utf-8", "replace")}
    match graph_errors.judge(status, body):
        case graph_errors.Accepted(message_id=message_id) as accepted:
            public = common | {"message_key": str(one.gateway.log.ids.message(message_id))}
            private["message_id"] = message_id
            subject = _answered(one, accepted)
            fact = _fact(one, SendAccepted, "outcome", public, private, subject=subject)
            return Accepted(one.send_id, body), fact
        case graph_errors.Rejected(code=code, safe=safe):
            public = common | {"code": code, "safe": safe, "cause": "rejected"}
            fact = _fact(one, SendFailed, "outcome", public, private)
            return Failed(one.send_id, status, code, body), fact
        case graph_errors.Unsure(code=code, cause=cause):
            fact = _fact(one, SendUnknown, "outcome", common | {"code": code, "cause": cause}, private)
            return Unknown(one.send_id), fact


def _decided(one: _Send, event: type[Event], decision: policy.Decision, as_of: int) -> Fact:
    asked, ids = one.asked, one.gateway.log.ids
    own = [text for text in (asked.callback_data, one.reference) if text]
    public = {
        "send_id": str(one.send_id),
        "caller": one.caller.name,
        "face": asked.face,
        "kind": asked.kind,
        "type": asked.type,
        "category": asked.category,
        "template": asked.template,
        "language": asked.language,
        "market": _market(asked),
        "decision": decision.recorded(as_of),
        "references": [str(ids.reference(text)) for text in own] or None,
    }
    private = {
        "to": asked.to,
        "recipient": asked.recipient,
        "body": asked.body,
        "callback_data": asked.callback_data,
        "reference": one.reference,
    }
    return Fact(event, one.line, _subject(asked), uuid4(), one.now, public, private, asked.group_id)


def _fact(
    one: _Send,
    event: type[Event],
    purpose: str,
    public: dict[str, Any],
    private: dict[str, Any],
    subject: Subject | None = None,
) -> Fact:
    key = one.gateway.log.ids.key(purpose, one.send_id, public["attempt"])
    subject = subject or _subject(one.asked)
    public = {"send_id": str(one.send_id)} | public
    now = one.now if event is SendDispatched else one.gateway.clock()
    return Fact(event, one.line, subject, key, now, public, private, one.asked.group_id)


def _dispatched_at(one: _Send) -> int:
    return int(one.now.timestamp())


def _market(asked: SendRequest) -> str | None:
    if asked.to:
        return markets.prefix_of_phone(asked.to)
    return markets.prefix_of_bsuid(asked.recipient) if asked.recipient else None


def _subject(asked: SendRequest) -> Subject:
    if asked.group_id:
        return Group(asked.group_id)
    if asked.to:
        return Person((Alias(AliasKind.PHONE, asked.to),))
    return Person((of_user_id(asked.recipient or ""),))


def _answered(one: _Send, accepted: graph_errors.Accepted) -> Subject:
    """WhatsApp's answer says by which identifiers it knows the recipient."""
    subject = _subject(one.asked)
    if not isinstance(subject, Person):
        return subject
    known = [Alias(AliasKind.PHONE, accepted.wa_id)] if accepted.wa_id else []
    known += [of_user_id(one) for one in (accepted.user_id, accepted.parent_user_id) if one]
    # What WhatsApp calls the person comes first: a number that the caller used may have been somebody's else.
    return Person(tuple(dict.fromkeys([*known, *subject.aliases])), Evidence.ANSWERED)
