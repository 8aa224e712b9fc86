"""One POST of one dispatch, and what came of it: recorded whatever happens, and told once it is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain import callback_data, graph_errors
from domain.events import Recorded, SendAccepted, SendFailed, SendUnknown, Undecodable
from domain.facts import Fact
from domain.outbound import upstream_body
from domain.sends import Send, SettledAs
from gateway import upstream
from gateway.gateway import Gateway
from gateway.logs import get_logger
from gateway.store.log import Log
from gateway.store.outcomes import Appended, Duplicate, InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE

PATIENCE: Final = 5.0
"""Seconds a caller waits for the log."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """WhatsApp's own answer."""

    send_id: UUID
    body: bytes
    warning: str | None = None
    """What the caller should know, in words fit for a header."""


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


Posted = Accepted | Failed | Unknown


async def post(gateway: Gateway, one: Send) -> Posted:
    """POST a send whose dispatch this process has appended."""
    body = upstream_body(one.asked, callback_data.write(one.dispatch))
    with gateway.metrics.upstream.time():
        outcome = await gateway.upstream.post(one.path, body)
    answer, fact = _judge(gateway, one, outcome)
    recording = gateway.keep(_record(gateway, one, fact))
    await asyncio.wait({recording}, timeout=PATIENCE)
    is_recorded = recording.done() and recording.exception() is None
    return answer if is_recorded else Unknown(one.send_id)


def accepted_later(one: Send, message_id: str | None, wa_id: str | None) -> Accepted:
    """The answer that WhatsApp would have given, as far as it is known: its own was lost."""
    given = one.asked.body.get("to") or one.asked.recipient
    whom = {"input": given, "wa_id": wa_id or one.asked.to, "user_id": one.asked.recipient}
    body = {
        "messaging_product": "whatsapp",
        "contacts": [{name: value for name, value in whom.items() if value}],
        "messages": [{"id": message_id}],
    }
    return Accepted(one.send_id, json.dumps(body).encode())


def settled_as_failed(one: Send) -> Failed:
    """The answer about a send that an operator settled as failed, or ordered again and that failed then.

    Never one that says to try the same again: the key is bound, and the first attempt may be with the person.
    """
    details = (
        "WhatsApp's answer was lost, and the send was settled as failed, or repeated in vain. "
        "To send it again, use another Idempotency-Key."
    )
    error = {
        "message": "(#131000) Something went wrong",
        "type": "OAuthException",
        "code": 131000,
        "error_data": {"messaging_product": "whatsapp", "details": details},
        "fbtrace_id": str(one.send_id),
    }
    return Failed(one.send_id, 400, 131000, json.dumps({"error": error}).encode())


async def _record(gateway: Gateway, one: Send, outcome: Fact) -> None:
    """Record what came of the POST; where it was given up as unknown before, that settles it."""
    recording = await record_surely(gateway.log, outcome)
    if isinstance(recording, Appended) or outcome.event is SendUnknown:
        return
    there = await _look_surely(gateway.log, recording.position)
    if isinstance(there, Recorded) and isinstance(there.event, SendUnknown):
        settled_as: SettledAs = "accepted" if outcome.event is SendAccepted else "failed"
        message_id = outcome.private.get("message_id")
        fact = one.settled(settled_as, "answer", gateway.clock(), message_id=message_id)
        if isinstance(await record_surely(gateway.log, fact), Appended):
            gateway.metrics.settled.labels(settled_as, "answer").inc()


async def record_surely(log: Log, fact: Fact) -> Appended | Duplicate:
    """Record what has happened already, however long the log is away."""
    pause = 0.1
    while True:
        try:
            [recording] = await log.record([fact], patience=PATIENCE)
        except (NotTaken, *DATABASE_GONE):
            get_logger().warning(
                "outcome waits for the log", topic=fact.event.TOPIC, send_id=fact.public["send_id"]
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        except InDoubt:
            continue  # the same key again: a duplicate if it was stored
        else:
            return recording


async def _look_surely(log: Log, position: int) -> Recorded | Undecodable:
    """What is recorded there, however long the log is away."""
    while True:
        try:
            [there] = await log.events_at([position])
        except DATABASE_GONE:
            await asyncio.sleep(1.0)
        else:
            return there


def _judge(gateway: Gateway, one: Send, outcome: upstream.Outcome) -> tuple[Posted, Fact]:
    at = gateway.clock()
    match outcome:
        case upstream.NotSent(cause):
            fact = one.outcome(SendFailed, at, {"safe": True, "cause": cause}, {})
            return Failed(one.send_id, 503, None, b""), fact
        case upstream.Lost(cause):
            return Unknown(one.send_id), one.outcome(SendUnknown, at, {"cause": cause}, {})
        case upstream.Answered(status, body):
            return _judge_answer(one, at, status, body)


def _judge_answer(one: Send, at: datetime, status: int, body: bytes) -> tuple[Posted, Fact]:
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
