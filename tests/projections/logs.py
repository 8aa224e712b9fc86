"""A log in memory to project from, and what the tables hold then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import cycle

import asyncpg

from domain.events import Recorded, Undecodable
from gateway.store.codec import encode
from gateway.store.postgres import Pool
from projections.catalogue import projections
from projections.runner import Projection, Runner

SCHEMA = "ledgerline"
TABLES = {
    "window_v2": "stream, line, known_since, opened_at, opened_by, confirmed_at, refused_at, refused_by, "
    "changed_at, free_entry_until, marketing_at, marketing_key, marketing, marketing_source, everything_at, "
    "everything_key, everything, everything_source, limited_at",
    "sends_v2": "send_id, requested_at, line, group_key, caller, face, kind, type, category, template, "
    "language, market, dispatched, requested, refused, accepted, attempt, outcome, outcome_at, outcome_code, "
    "state",
    "send_references_v1": "reference, send_id",
    "messages_v1": "message_key, participant, at, line, direction, send_id, group_key, type, subtype, "
    "market, accepted, reached, sent_at, delivered_at, read_at, failed_at, failed_code, pricing_model, "
    "pricing_type, pricing_category, pricing_subtype, pricing_billable, pricing_status, pricing_at, state",
    "counts_sends_v2": "*",
    "counts_deliveries_v2": "message_key, participant, send_id, line, market, type, delivered_at, "
    "pricing_model, pricing_type, pricing_category, pricing_subtype, pricing_billable, pricing_status, "
    "pricing_at, in_free_entry",
    "lines_v2": "line, last_webhook_at, last_send_at",
    "media_v1": "message, line, at_used, kept, media_key",
    "observed_v1": "send_id, decided_at, line, caller, face, type, verdict, reason",
    "templates_v2": "account, name, language, status_at, status_key, status, reason, category_at, "
    "category_key, category, quality_at, quality_key, quality, first_category_at, first_category_key, "
    "first_category, definition_at, definition_key, definition",
}
"""All tables, with the columns that must not depend on the order of the log."""

Item = Recorded | Undecodable


class MemoryLog:
    """A Reader over a list, which answers with pages of given sizes in turn."""

    def __init__(self, items: Iterable[Item] = (), pages: Sequence[int] = (10_000,)) -> None:
        self.items = list(items)
        self._pages = cycle(pages)
        self._grown = asyncio.Event()

    def extend(self, items: Iterable[Item]) -> None:
        self.items.extend(items)
        self._grown.set()

    async def after(self, position: int, limit: int) -> list[Item]:
        return self.items[position : position + min(limit, next(self._pages))]

    async def between(self, after: int, upto: int, without: Sequence[str]) -> list[Item]:
        return [item for item in self.items[after:upto] if _topic(item) not in without]

    async def wait(self) -> None:
        self._grown.clear()
        try:
            async with asyncio.timeout(0.05):
                await self._grown.wait()
        except TimeoutError:
            pass

    async def head(self) -> int:
        return len(self.items)


def _topic(item: Item) -> str:
    return item.event.TOPIC if isinstance(item, Recorded) else item.topic


async def project(pool: Pool, reader: MemoryLog, chosen: Sequence[Projection] | None = None) -> Runner:
    """Catch up with the log."""
    runner = Runner(chosen or projections(SCHEMA), pool, reader, schema=SCHEMA)
    await runner.catch_up()
    return runner


async def start_over(pool: Pool) -> None:
    """Empty all tables and checkpoints."""
    for table in (*TABLES, "projection_checkpoints", "dead_letters"):
        await pool.execute(f"delete from {SCHEMA}.{table}")  # noqa: S608 - names of our own


async def contents(pool: Pool, *, exact: bool = False) -> dict[str, list[tuple[object, ...]]]:
    """What the tables hold; `exact`: with positions, streams and versions."""
    held = {}
    for table, columns in TABLES.items():
        select = f"select {'*' if exact else columns} from {SCHEMA}.{table}"  # noqa: S608 - names of our own
        held[table] = sorted((tuple(row) for row in await pool.fetch(select)), key=repr)
    return held


async def store(admin: str, log: Iterable[Recorded]) -> None:
    """Write a log as the append function would."""
    insert = "insert into ledgerline.stored_events values ($1, $2, $3, $4, $5)"
    rows = [
        (item.event.originator_id, item.event.originator_version, *encode(item.event), item.position)
        for item in log
    ]
    db = await asyncpg.connect(admin)
    try:
        await db.executemany(insert, rows)
    finally:
        await db.close()
