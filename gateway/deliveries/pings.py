"""A signed delivery that says nothing, outside of all order, to see what a destination answers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from domain.destinations import ping, signing
from domain.destinations.model import Destination
from gateway.deliveries.guard import Guard
from gateway.deliveries.poster import Answer, Poster


async def sent(one: Destination, guard: Guard, *, log_id: UUID, now: datetime, signed_at: datetime) -> Answer:
    """What came of it. `now`: of the log, which in a sandbox is no time to sign with."""
    key = uuid4()
    content_type, body = ping.body(one.format, log_id=log_id, key=key, now=now)
    signed = signing.of(one.format, body, one.signs_with(now), str(key), signed_at)
    poster = Poster(one.url, one.headers, guard)
    try:
        headers = {"Content-Type": content_type, "Ledgerline-Event": str(key), **signed}
        return await poster.post(body, headers)
    finally:
        await poster.close()
