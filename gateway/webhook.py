"""WhatsApp's callbacks: verify, read, record, and only then 200 (webhooks reference, section 1)."""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Final

from aiohttp import web

from domain import inbound
from domain.events import ConsentChanged, TemplateChanged
from domain.facts import Fact
from gateway import bodies, errors
from gateway.bucket import Bucket
from gateway.gateway import GATEWAY, Gateway
from gateway.logs import Sparing
from gateway.store.log import Recording
from gateway.store.outcomes import Appended, InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE

MAX_UPDATES: Final = 1_000
"""WhatsApp batches at most this many updates in one POST."""
PATIENCE: Final = 5.0
"""Seconds a callback waits for the log before WhatsApp is asked to come again."""


async def verification(request: web.Request) -> web.Response:
    """GET: WhatsApp asks whether this is the place."""
    token = request.app[GATEWAY].settings.verify_token
    given = request.query.get("hub.verify_token", "")
    asked = request.query.get("hub.mode") == "subscribe"
    if token is None or not asked or not _same(given, token.get_secret_value()):
        return web.Response(status=403, text="hub.mode is not subscribe, or hub.verify_token is another")
    return web.Response(text=request.query.get("hub.challenge", ""))


async def callback(request: web.Request) -> web.Response:
    """POST: updates, at least once, in any order."""
    gateway = request.app[GATEWAY]
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return _answer(gateway, "too_large", 413)
    except web.HTTPRequestTimeout:
        return _answer(gateway, "too_slow", 408)
    secrets = [secret.get_secret_value() for secret in gateway.settings.app_secrets]
    if not signed(body, request.headers.get("X-Hub-Signature-256", ""), secrets):
        if wait := _FORGED.wait():
            await asyncio.sleep(wait)
        return _answer(gateway, "unsigned", 401)
    facts = _facts(gateway, body)
    if facts is None:
        return _answer(gateway, "too_many", 413)
    try:
        recordings = await gateway.log.record(facts, patience=PATIENCE)
    except (NotTaken, InDoubt, *DATABASE_GONE):
        return _answer(gateway, "not_taken", 503)
    _count(gateway, facts, recordings)
    if any(map(_leaves_open, facts)):
        gateway.template_sync.look_soon()
    return _answer(gateway, "stored", 200)


def _count(gateway: Gateway, facts: Sequence[Fact], recordings: Sequence[Recording]) -> None:
    are_news = (isinstance(recording, Appended) for recording in recordings)
    for (topic, is_news), amount in Counter(
        zip((f.event.TOPIC for f in facts), are_news, strict=True)
    ).items():
        gateway.metrics.items.labels(topic, "appended" if is_news else "duplicate").inc(amount)


def _facts(gateway: Gateway, body: bytes) -> list[Fact] | None:
    """All facts of a callback; None when it holds more updates than WhatsApp ever batches."""
    found = inbound.updates(
        body,
        ids=gateway.log.ids,
        openers=gateway.openers,
        recorded_at=gateway.clock(),
        words=gateway.words,
    )
    updates = list(islice(found, MAX_UPDATES + 1))
    if len(updates) > MAX_UPDATES:
        return None
    return [_placed(gateway, fact) for fact in chain.from_iterable(updates)]


def _placed(gateway: Gateway, fact: Fact) -> Fact:
    """A consent is read from the person's conversations, so one without a line goes to the first."""
    is_homeless = fact.event is ConsentChanged and fact.line is None and gateway.settings.lines
    return replace(fact, line=gateway.settings.lines[0]) if is_homeless else fact


def _leaves_open(fact: Fact) -> bool:
    """Whether a callback tells of a template that it is another now, but not how."""
    if fact.event is not TemplateChanged or fact.public["event"] == "message_template_quality_update":
        return False
    return fact.public.get("status") in (None, "APPROVED")


def signed(body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """Whether any secret signed exactly these bytes; every secret is tried, in constant time."""
    found = False
    for secret in secrets:
        expected = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
        found |= _same(signature, expected)
    return found


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


_FORGED: Final = Bucket(rate=200)
"""Each refusal costs what a sixth of a good callback does: so many are some percent of a core."""
_REFUSED: Final = Sparing(every=1.0)

_SAID: Final = {
    status: errors.in_dialect("/webhooks", status, said, retry_after=retry_after)
    for status, said, retry_after in (
        (401, "X-Hub-Signature-256 is missing or was made with another app secret", None),
        (408, f"the body was not whole within {bodies.BODY:g} seconds", None),
        (413, "at most 4 MB and 1,000 updates in one POST", None),
        (503, "not stored; come again", 2),
    )
}
"""Refusals, written once."""


def _answer(gateway: Gateway, result: str, status: int) -> web.Response:
    gateway.metrics.webhooks.labels(result).inc()
    if status == 200:  # noqa: PLR2004 - HTTP
        return web.Response(text="stored")
    _REFUSED.warning("callback not stored", result=result, status=status)
    said = _SAID[status]
    return web.Response(body=said.body, status=status, headers=said.headers.copy())
