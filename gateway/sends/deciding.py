"""What the policy decides of a send, and all that it is shown for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain import policy, templates
from domain.sends import Send
from domain.window import disputed_by
from gateway.gateway import Gateway
from gateway.sends.posting import PATIENCE
from gateway.store.codec import decode
from gateway.store.directory import Conversation
from gateway.store.patience import within
from gateway.store.postgres import Connection
from projections.window import NEVER_SEEN, Read


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, and what else came to light on the way to it."""

    decision: policy.Decision
    as_of: int
    """The position of the log up to which the window was read."""
    rendered: str | None
    """The template's text as the person will read it, where that is known."""
    warning: str | None
    """What the caller should know, in words fit for a header."""


async def decide(gateway: Gateway, one: Send) -> Decided:
    """What the policy says of a send now. Raises TimeoutError when the log does not answer."""
    seen, known = await within(PATIENCE, _look(gateway, one))
    rules = gateway.settings.rules(one.line)
    drifts = rules.template_drift != "accept" and templates.drifted(known)
    decision = policy.decide(
        one.asked,
        seen.window,
        seen.consent if _asks_consent(one) else None,
        now=int(one.now.timestamp()),
        rules=rules,
        category=_category(one, known),
        template=_fault(one, known, refuses_drift=drifts and rules.template_drift == "refuse"),
    )
    if drifts:
        gateway.metrics.drifted.inc()
    warning = f"category_drift: {known.first_category} became MARKETING" if drifts else None
    return Decided(decision, seen.as_of, _rendered(one, known), warning)


def _asks_consent(one: Send) -> bool:
    return policy.ASKS_CONSENT[one.asked.kind] and one.asked.group_id is None


async def _look(gateway: Gateway, one: Send) -> tuple[Read, templates.Known]:
    """What the policy is shown; over one connection, whose coming and going cost more than a statement."""
    asked = one.asked
    async with gateway.pool.acquire() as db:
        seen = await _seen(gateway, db, one)
        if asked.template is None or asked.language is None:
            return seen, templates.Known()
        rows = await gateway.templates.named(db, asked.template, asked.language)
    known = await gateway.templates.known(one.line, asked.template, asked.language, one.now, rows)
    return seen, known or templates.Known()


async def _seen(gateway: Gateway, db: Connection, one: Send) -> Read:
    """The conversation as it is now, however far its projection lags."""
    conversations = await _conversations(gateway, db, one, everywhere=_asks_consent(one))
    if not conversations:
        return NEVER_SEEN
    here, elsewhere = _streams(conversations, one.line)
    seen = await gateway.windows.read(db, here, decode, elsewhere=elsewhere)
    if disputed_by(seen.window) is not None:
        gateway.metrics.disputed.inc()
    return seen


def _streams(conversations: Sequence[Conversation], line: str) -> tuple[list[UUID], list[UUID]]:
    """Those of the line, and those of the other lines."""
    here = [stream for known in conversations if known.line == line for stream in known.streams]
    return here, [stream for known in conversations if known.line != line for stream in known.streams]


async def _conversations(
    gateway: Gateway, db: Connection, one: Send, *, everywhere: bool
) -> Sequence[Conversation]:
    """Those that bear on the send: a consent binds every line, a window only its own."""
    if one.asked.group_id:
        return [gateway.log.group(one.line, one.asked.group_id)]
    if everywhere:
        return await gateway.log.everywhere(one.asked.contact, db)
    conversation = await gateway.log.conversation(one.line, one.asked.contact, db)
    return [conversation] if conversation else []


def _category(one: Send, known: templates.Known) -> str | None:
    if one.path.endswith("/marketing_messages"):
        return "marketing"
    return known.category.lower() if known.category else None


def _fault(one: Send, known: templates.Known, *, refuses_drift: bool) -> templates.Fault | None:
    """Why the template can't be sent as it is asked for."""
    fault = templates.check(one.asked.body.get("template", {}), known)
    return templates.drift_fault(known) if fault is None and refuses_drift else fault


def _rendered(one: Send, known: templates.Known) -> str | None:
    if known.definition is None:
        return None
    return templates.render(one.asked.body["template"], known.definition)
