"""The log page by page, with what only a verification looks at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.events import Recorded, Undecodable
from gateway.store.codec import decode
from gateway.store.postgres import Pool

PAGE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as it stands in the table."""

    item: Recorded | Undecodable
    commit: str
    """The transaction that wrote it."""
    before: int | None
    """Position of its stream's version before it."""


async def pages(pool: Pool, sql: Mapping[str, str], after: int, upto: int) -> AsyncIterator[Sequence[Stored]]:
    """The events behind `after`, `upto` included; holes are passed over."""
    while after < upto:
        records = await pool.fetch(sql["page"], after, upto, PAGE)
        if not records:
            return
        yield [Stored(decode(*tuple(one)[:5]), one["commit"], one["before"]) for one in records]
        after = records[-1]["notification_id"]
