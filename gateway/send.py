"""A send, from the caller's request to its outcome.

Policy, then SendRequested and SendDispatched in one append, then one POST, then the outcome, then the
answer (docs/how-it-works.md). WhatsApp has no idempotency key: a POST is made only by whoever appended its
SendDispatched, and never again when its outcome is unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from domain import callback_data, graph_errors, policy, templates
from domain.consent import NOTHING_KNOWN, Consent
from domain.events import SendAccepted, SendFailed, SendUnknown
from domain.facts import Fact
from domain.outbound import SendRequest, upstream_body
from domain.sends import Send
from domain.window import disputed_by
from gateway import upstream
from gateway.auth import ApiKey
from gateway.gateway import Gateway
from gateway.logs import get_logger
from gateway.store.codec import decode
from gateway.store.directory import Conversation
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
    warning: str | None = None
    """What the caller should know, in words fit for a header."""


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
    one = Send(asked, line, caller.name, reference, uuid4(), gateway.clock(), gateway.log.ids)
    try:
        answer = await _decide(gateway, one, path)
    except (NotTaken, *DATABASE_GONE):
        answer = Busy()
    gateway.metrics.sends.labels(asked.face, asked.kind, type(answer).__name__.lower()).inc()
    return answer


async def _decide(gateway: Gateway, one: Send, path: str) -> Answer:
    seen, consent = await _seen(gateway, one)
    rules, known = gateway.settings.rules(one.line), await _template(gateway, one)
    drifts = rules.template_drift != "accept" and templates.drifted(known)
    fault = templates.check(one.asked.body.get("template", {}), known)
    if drifts:
        gateway.metrics.drifted.inc()
        if rules.template_drift == "refuse":
            fault = fault or templates.drift_fault(known)
    is_marketing = path.endswith("/marketing_messages")
    decision = policy.decide(
        one.asked,
        seen.window,
        consent,
        now=int(one.now.timestamp()),
        rules=rules,
        category="marketing" if is_marketing else (known.category or "").lower() or None,
        template=fault,
    )
    match decision:
        case policy.Refused():
            return await _refuse(gateway, one, decision, seen.as_of)
        case policy.Allowed(observed=observed):
            if observed:
                gateway.metrics.observed.inc()
            answer = await _forward(gateway, _rendered(one, known), path, decision, seen.as_of)
            if isinstance(answer, Accepted) and drifts:
                return replace(answer, warning=f"category_drift: {known.first_category} became MARKETING")
            return answer


async def _seen(gateway: Gateway, one: Send) -> tuple[Read, Consent | None]:
    """The window, and what the person chose where that counts: as of now, however far projections lag."""
    asks_consent = policy.ASKS_CONSENT[one.asked.kind] and one.asked.group_id is None
    async with asyncio.timeout(PATIENCE):
        conversations = await _conversations(gateway, one, everywhere=asks_consent)
        own = [stream for known in conversations if known.line == one.line for stream in known.streams]
        all_ = [stream for known in conversations for stream in known.streams]
        if not conversations:
            return NEVER_SEEN, NOTHING_KNOWN if asks_consent else None
        seen, consent = NEVER_SEEN, NOTHING_KNOWN
        async with gateway.pool.acquire() as db:
            if own:
                seen = await gateway.windows.read(db, own, decode)
            if asks_consent:
                consent = await gateway.consents.read(db, all_, decode)
    if disputed_by(seen.window) is not None:
        gateway.metrics.disputed.inc()
    return seen, consent if asks_consent else None


async def _conversations(gateway: Gateway, one: Send, *, everywhere: bool) -> Sequence[Conversation]:
    """Those that bear on the send: a consent binds every line, a window only its own."""
    if one.asked.group_id:
        return [gateway.log.group(one.line, one.asked.group_id)]
    if everywhere:
        return await gateway.log.everywhere(one.asked.contact)
    conversation = await gateway.log.conversation(one.line, one.asked.contact)
    return [conversation] if conversation else []


async def _template(gateway: Gateway, one: Send) -> templates.Known:
    """What is known of the template that the send names, if it names one."""
    asked = one.asked
    if asked.template is None or asked.language is None:
        return templates.Known()
    async with asyncio.timeout(PATIENCE):
        known = await gateway.templates.known(asked.template, asked.language, one.now)
    return known or templates.Known()


def _rendered(one: Send, known: templates.Known) -> Send:
    if known.definition is None:
        return one
    return replace(one, rendered=templates.render(one.asked.body["template"], known.definition))


async def _refuse(gateway: Gateway, one: Send, decision: policy.Refused, as_of: int) -> Answer:
    # Recorded or not, nothing was posted: the answer is the same.
    with contextlib.suppress(InDoubt):
        await gateway.log.record([one.refused(decision, as_of)], patience=PATIENCE)
    return Refused(one.send_id, decision)


async def _forward(gateway: Gateway, one: Send, path: str, decision: policy.Allowed, as_of: int) -> Answer:
    facts = [one.requested(decision, as_of), one.dispatched()]
    try:
        _, dispatch = await gateway.log.record(facts, patience=PATIENCE)
    except InDoubt as doubt:
        gateway.keep(_not_attempted(gateway, one, doubt))
        return Busy()
    if not isinstance(dispatch, Appended):
        raise AssertionError("a send_id drawn a moment ago was dispatched before")  # noqa: TRY004 - our mistake
    # From here on the send goes its way, whether its caller stays or not.
    return await asyncio.shield(gateway.keep(_post(gateway, one, path)))


async def _post(gateway: Gateway, one: Send, path: str) -> Answer:
    body = upstream_body(one.asked, callback_data.write(one.dispatch))
    with gateway.metrics.upstream.time():
        outcome = await gateway.upstream.post(path, body)
    answer, fact = _judge(gateway, one, outcome)
    recording = gateway.keep(_record_surely(gateway, fact))
    done, _ = await asyncio.wait({recording}, timeout=PATIENCE)
    return answer if done else Unknown(one.send_id)


async def _not_attempted(gateway: Gateway, one: Send, doubt: InDoubt) -> None:
    """The caller was told that nothing was sent; if the request is stored after all, say so in the log."""
    outcomes = await doubt.outcomes
    if all(isinstance(outcome, Appended) for outcome in outcomes):
        public = {"safe": True, "cause": "not attempted"}
        await _record_surely(gateway, one.outcome(SendFailed, gateway.clock(), public, {}))


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


def _judge(gateway: Gateway, one: Send, outcome: upstream.Outcome) -> tuple[Answer, Fact]:
    at = gateway.clock()
    match outcome:
        case upstream.NotSent(cause):
            fact = one.outcome(SendFailed, at, {"safe": True, "cause": cause}, {})
            return Failed(one.send_id, 503, None, b""), fact
        case upstream.Lost(cause):
            return Unknown(one.send_id), one.outcome(SendUnknown, at, {"cause": cause}, {})
        case upstream.Answered(status, body):
            return _judge_answer(one, at, status, body)


def _judge_answer(one: Send, at: datetime, status: int, body: bytes) -> tuple[Answer, Fact]:
    public: dict[str, Any] = {"http_status": status}
    private = {"answer": body.decode("utf-8", "replace")}
    match graph_errors.judge(status, body):
        case graph_errors.Accepted(message_id=message_id) as accepted:
            public["message_key"] = str(one.ids.message(message_id))
            fact = one.outcome(SendAccepted, at, public, private | {"message_id": message_id}, accepted)
            return Accepted(one.send_id, body), fact
        case graph_errors.Rejected(code=code, safe=safe):
            public |= {"code": code, "safe": safe, "cause": "rejected"}
            return Failed(one.send_id, status, code, body), one.outcome(SendFailed, at, public, private)
        case graph_errors.Unsure(code=code, cause=cause):
            public |= {"code": code, "cause": cause}
            return Unknown(one.send_id), one.outcome(SendUnknown, at, public, private)
