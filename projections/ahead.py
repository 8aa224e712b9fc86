"""A long log page by page, each of them read while the one before is worked on.

What a projection does not fold is not even read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Protocol, TypeAlias

from domain.events import TOPICS, Event, Recorded, Undecodable

Page: TypeAlias = Sequence[Recorded | Undecodable]


class Pages(Protocol):
    """What a rebuild needs of the log."""

    async def between(self, after: int, upto: int, without: Sequence[str]) -> Page:
        """The events behind `after`, `upto` included, but those of the topics `without`, in order."""

    async def head(self) -> int:
        """The last position of the log."""


async def pages(
    log: Pages, after: int, upto: int, size: int, folded: Collection[type[Event]]
) -> AsyncGenerator[tuple[int, Page]]:
    """The events behind `after`, `upto` included, by `size` positions: the last one, and what is folded.

    `folded`: the classes read; what has a topic that nobody knows comes along. Close it with `aclosing`.
    """
    without = [topic for topic, event in TOPICS.items() if event not in folded]
    coming: asyncio.Task[Page] | None = None
    try:
        while after < upto:
            end, next_end = min(after + size, upto), min(after + 2 * size, upto)
            page = await (coming or log.between(after, end, without))
            coming = asyncio.create_task(log.between(end, next_end, without)) if end < upto else None
            yield end, page
            after = end
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait([coming])
