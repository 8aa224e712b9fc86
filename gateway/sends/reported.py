"""What WhatsApp reports of a send whose answer was lost: it outranks what anybody else said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from domain.events import Recorded
from gateway.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Reported:
    """WhatsApp has the message."""

    message_id: str = field(repr=False)
    wa_id: str | None = field(repr=False)
    """The number that its statuses name."""


async def reported(gateway: Gateway, send_id: UUID) -> Reported | None:
    """What statuses tell of a send, of whichever attempt; None where there are none, or all is forgotten."""
    life = await gateway.lives.find(send_id=send_id)
    positions = sorted({part.origin.position for part in life.parts}) if life else []
    events = [item.event for item in await gateway.log.events_at(positions) if isinstance(item, Recorded)]
    for content in await gateway.log.opened(events):
        if content and (message_id := content.get("message_id")):
            return Reported(message_id, content.get("recipient") or content.get("wa_id"))
    return None
