"""An open log, and the facts of small callbacks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson

from domain.facts import Fact
from domain.inbound import updates
from domain.openers import DEFAULT
from gateway.store.log import Log
from gateway.store.postgres import connect_pool

SCHEMA = "ledgerline"
LINE = "106540352242922"
KEY = bytes(range(32))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATIENCE = 30.0


@asynccontextmanager
async def opened(url: str, *keys: bytes) -> AsyncIterator[Log]:
    """A log with a pool of its own, as each gateway has one."""
    async with (
        connect_pool(url, SCHEMA) as pool,
        Log.open(url, pool, SCHEMA, master_keys=keys or (KEY,)) as log,
    ):
        yield log


def text(number: int, **who: Any) -> dict[str, Any]:
    """The value of a change with one message; `who` are its identifiers (`from_` is `from`)."""
    named = {name.rstrip("_"): value for name, value in who.items()}
    message = {"id": f"wamid.{number}", "timestamp": "1795175000", "type": "text", "text": {"body": "Hello."}}
    return {"messages": [message | named]}


def facts(log: Log, value: Any, at: datetime = NOW, field: str = "messages") -> Sequence[Fact]:
    """What a callback with this value says."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": LINE}
    change = {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata} | value}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}
    found = updates(orjson.dumps(body), ids=log.ids, openers=DEFAULT, recorded_at=at)
    return [fact for update in found for fact in update]
