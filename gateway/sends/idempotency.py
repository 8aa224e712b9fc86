"""Idempotency-Key: one key of one caller is one send, for ever (docs/api.md).

The key leads to the send's id, and the id to the keys of its events; so the log's own deduplication decides
between processes that get the same request at once, and nothing but the log needs to be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain import sends
from domain.events import SendFailed
from domain.outbound import SendRequest
from domain.sends import FIRST, Send
from gateway.sends import standing
from gateway.sends.standing import Standing
from gateway.store.log import Log

LONGEST: Final = 255
"""Characters of a key."""
MOST: Final = 2**19
"""Safe failures of one key that are looked through."""
PROBES: Final = 32
"""Sends that one query looks for."""


@dataclass(frozen=True, slots=True)
class Free:
    """No send is bound to it: this id is the next one."""

    send_id: UUID


@dataclass(frozen=True, slots=True)
class Bound:
    """The same request was sent before, or is on its way."""

    send: Send
    standing: Standing


@dataclass(frozen=True, slots=True)
class OtherBody:
    """The key is bound to another request."""

    send_id: UUID


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The key is bound to a send to a person who was forgotten since."""

    send_id: UUID
    state: str


Look = Free | Bound | OtherBody | Forgotten


async def look(log: Log, asked: SendRequest, *, line: str, caller: str, key: str) -> Look:
    """Whether a caller's key is bound, and to what."""
    nth = 1
    while True:
        send_id = sends.id_of(log.ids, caller, key, nth)
        found = await standing.read(log, send_id)
        if found is None:
            return Free(send_id)
        if not _was_left_free(found):
            return _judge(log, found, asked, line)
        # All before the newest one were left free, or there would be no newer one.
        nth = max(nth + 1, await _newest(log, caller, key))


async def _newest(log: Log, caller: str, key: str) -> int:
    """Which of the sends that a key stood for is the last: there is no hole among them."""
    known, unknown = 1, 2 * MOST
    while unknown - known > 1:
        step = max(1, (unknown - known) // PROBES)
        decisions = {
            sends.decision_key(log.ids, sends.id_of(log.ids, caller, key, nth)): nth
            for nth in range(known + step, unknown, step)
        }
        found = {decisions[one] for one in await log.by_keys([*decisions])}
        known = max(found, default=known)
        unknown = min((nth for nth in decisions.values() if nth not in found), default=unknown)
    return known


def fault(key: str) -> str | None:
    """What is wrong with a key; None when nothing is."""
    if not key or len(key) > LONGEST:
        return f"Idempotency-Key must have 1 to {LONGEST} characters."
    return None


def _was_left_free(found: Standing) -> bool:
    """Whether the send failed in a way that the same one may be tried again, and never was unknown."""
    if found.state != "failed" or found.attempt > FIRST:
        return False
    last = found.last(SendFailed)
    return last is not None and isinstance(last[0], SendFailed) and last[0].safe


def _judge(log: Log, found: Standing, asked: SendRequest, line: str) -> Bound | OtherBody | Forgotten:
    before = found.send(log)
    if before is None:
        return Forgotten(found.send_id, found.state)
    same = (before.line, before.asked.face) == (line, asked.face)
    if same and sends.same_request(before.asked.body, asked.body):
        return Bound(before, found)
    return OtherBody(found.send_id)
