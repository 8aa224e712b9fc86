"""A send, from the caller's request to its outcome.

Policy, then SendRequested and SendDispatched in one append, then one POST, then the outcome, then the
answer (docs/how-it-works.md). WhatsApp has no idempotency key: a POST is made only by whoever appended its
SendDispatched, and never again when its outcome is unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID, uuid4

from domain import policy
from domain.events import SendAccepted, SendFailed, SendSettled
from domain.outbound import SendRequest
from domain.sends import Send
from gateway.auth import ApiKey
from gateway.gateway import Gateway
from gateway.sends import deciding, idempotency, posting
from gateway.sends.posting import PATIENCE, Posted
from gateway.sends.posting import Accepted as Accepted  # noqa: PLC0414 - an answer to a send, for the faces
from gateway.sends.posting import Failed as Failed  # noqa: PLC0414
from gateway.sends.posting import Unknown as Unknown  # noqa: PLC0414
from gateway.sends.reported import reported
from gateway.sends.standing import Standing
from gateway.store.outcomes import Appended, InDoubt, NotTaken
from gateway.store.patience import within
from gateway.store.postgres import DATABASE_GONE


@dataclass(frozen=True, slots=True)
class Refused:
    """The policy refused; nothing was posted."""

    send_id: UUID
    decision: policy.Refused


@dataclass(frozen=True, slots=True)
class Replayed:
    """The Idempotency-Key is bound: what is known of its send now."""

    answer: Posted


Why = Literal["busy", "in_flight", "key_taken", "forgotten"]


@dataclass(frozen=True, slots=True)
class NotPosted:
    """Nothing was or will be posted for this request: the log is not there, or its Idempotency-Key is bound.

    Bound to a send without an outcome yet, to another request, or to a person who was forgotten since.
    """

    why: Why
    send_id: UUID | None = None
    """The send that the key is bound to."""
    outcome: str = "unknown"
    """Of what was asked, as far as it is known: `refused` when the key is another request's."""


Answer = Accepted | Refused | Failed | Unknown | Replayed | NotPosted


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
    try:
        answer = await _once(gateway, asked, line=line, caller=caller, path=path, reference=reference)
    except (NotTaken, *DATABASE_GONE):
        answer = NotPosted("busy")
    outcome = answer.why if isinstance(answer, NotPosted) else type(answer).__name__.lower()
    gateway.metrics.sends.labels(asked.face, asked.kind, outcome).inc()
    return answer


async def _once(
    gateway: Gateway,
    asked: SendRequest,
    *,
    line: str,
    caller: ApiKey,
    path: str,
    reference: str | None,
) -> Answer:
    one = Send(asked, line, caller.name, reference, uuid4(), gateway.clock(), gateway.log.ids, path)
    if reference is None:
        return await _decide(gateway, one)
    bound = await _look(gateway, one, reference)
    if isinstance(bound, idempotency.Free):
        return await _decide(gateway, replace(one, send_id=bound.send_id))
    return await within(PATIENCE, _answer_of(gateway, bound))


async def _look(gateway: Gateway, one: Send, reference: str) -> idempotency.Look:
    look = idempotency.look(gateway.log, one.asked, line=one.line, caller=one.caller, key=reference)
    return await within(PATIENCE, look)


async def _answer_of(
    gateway: Gateway, bound: idempotency.Bound | idempotency.OtherBody | idempotency.Forgotten
) -> Answer:
    match bound:
        case idempotency.Bound(one, found):
            return await _known_now(gateway, one, found)
        case idempotency.OtherBody(send_id):
            return NotPosted("key_taken", send_id, "refused")
        case idempotency.Forgotten(send_id, state):
            return _forgotten(send_id, state)


async def _known_now(gateway: Gateway, one: Send, found: Standing) -> Answer:
    """What is known of a send that was asked for before: WhatsApp's word counts more than an operator's."""
    is_answered = found.last(SendAccepted) is not None
    if found.state != "requested" and not is_answered and (told := await reported(gateway, one.send_id)):
        return Replayed(posting.accepted_later(one, told.message_id, told.wa_id))
    return _replayed(one, found)


def _replayed(one: Send, found: Standing) -> Answer:
    """What its own events say of a send that was asked for before."""
    answer: Posted
    match found.state, found.last(SendAccepted, SendFailed, SendSettled):
        case "accepted", (SendAccepted(), {"answer": str(text)}):
            answer = Accepted(one.send_id, text.encode())
        case "failed", (SendFailed(safe=False, http_status=int(status), code=code), {"answer": str(text)}):
            answer = Failed(one.send_id, status, code, text.encode())
        case "accepted" | "failed", (SendAccepted() | SendFailed(safe=False), _):
            return _forgotten(one.send_id, found.state)
        case "accepted", (_, content):
            answer = posting.accepted_later(one, content.get("message_id"), content.get("wa_id"))
        case "failed", _:
            answer = posting.settled_as_failed(one)
        case "unknown", _:
            answer = Unknown(one.send_id)
        case _:
            return NotPosted("in_flight", one.send_id)
    return Replayed(answer)


def _forgotten(send_id: UUID, state: str) -> NotPosted:
    return NotPosted("forgotten", send_id, "unknown" if state == "requested" else state)


async def _decide(gateway: Gateway, one: Send) -> Answer:
    decided = await deciding.decide(gateway, one)
    match decided.decision:
        case policy.Refused() as refused:
            # A refusal leaves the Idempotency-Key free, so it does not take the id that the key stands for.
            return await _refuse(gateway, replace(one, send_id=uuid4()), refused, decided.as_of)
        case policy.Allowed(observed=observed) as allowed:
            if observed:
                gateway.metrics.observed.inc()
            answer = await _forward(gateway, replace(one, rendered=decided.rendered), allowed, decided.as_of)
            return replace(answer, warning=decided.warning) if isinstance(answer, Accepted) else answer


async def _refuse(gateway: Gateway, one: Send, decision: policy.Refused, as_of: int) -> Answer:
    # Recorded or not, nothing was posted: the answer is the same.
    with contextlib.suppress(InDoubt):
        await gateway.log.record([one.refused(decision, as_of)], patience=PATIENCE)
    return Refused(one.send_id, decision)


async def _forward(gateway: Gateway, one: Send, decision: policy.Allowed, as_of: int) -> Answer:
    facts = [one.requested(decision, as_of), one.dispatched()]
    try:
        _, dispatch = await gateway.log.record(facts, patience=PATIENCE)
    except InDoubt as doubt:
        gateway.keep(_not_attempted(gateway, one, doubt))
        return NotPosted("busy")
    if not isinstance(dispatch, Appended):
        # The same request came twice at once, and the other one was first.
        return NotPosted("in_flight", one.send_id)
    # From here on the send goes its way, whether its caller stays or not.
    return await _post(gateway, one)


async def resend(gateway: Gateway, before: Send, *, caller: str) -> Answer:
    """Post an unknown send once more, at the order of the operator `caller`; the policy decides again."""
    one = before.again(gateway.clock())
    decision = (await deciding.decide(gateway, one)).decision
    if isinstance(decision, policy.Refused):
        return Refused(one.send_id, decision)
    try:
        [dispatch] = await gateway.log.record([one.dispatched(caller=caller)], patience=PATIENCE)
    except InDoubt as doubt:
        gateway.keep(_not_attempted(gateway, one, doubt))
        raise
    if not isinstance(dispatch, Appended):
        return NotPosted("in_flight", one.send_id)
    by_whom = before.settled("resend", "operator", one.now, caller=caller)
    gateway.keep(posting.record_surely(gateway.log, by_whom))
    gateway.metrics.settled.labels("resend", "operator").inc()
    return await _post(gateway, one)


async def _post(gateway: Gateway, one: Send) -> Answer:
    answer = await asyncio.shield(gateway.keep(posting.post(gateway, one)))
    if isinstance(answer, Unknown) and (told := await gateway.settler.known_soon(one)) is not None:
        return posting.accepted_later(one, told.get("message_id"), told.get("wa_id"))
    return answer


async def _not_attempted(gateway: Gateway, one: Send, doubt: InDoubt) -> None:
    """The caller was told that nothing was sent; if the request is stored after all, say so in the log."""
    outcomes = await doubt.outcomes
    if all(isinstance(outcome, Appended) for outcome in outcomes):
        public = {"safe": True, "cause": "not attempted"}
        await posting.record_surely(gateway.log, one.outcome(SendFailed, gateway.clock(), public, {}))
