"""A long log page by page, each of them read while the one before is worked on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Protocol, TypeAlias

from domain.events import Recorded, Undecodable

Page: TypeAlias = Sequence[Recorded | Undecodable]


class Pages(Protocol):
    """What a rebuild needs of the log."""

    async def after(self, position: int, limit: int) -> Page:
        """At most `limit` events in the order of their positions, from the first after `position`."""

    async def head(self) -> int:
        """The last position of the log."""


async def pages(log: Pages, after: int, upto: int, size: int) -> AsyncGenerator[Page]:
    """The events behind `after`, `upto` included, at most `size` at a time. Close it with `aclosing`."""
    coming: asyncio.Task[Page] | None = None
    try:
        while after < upto:
            page = await (coming or _read(log, after, upto, size))
            after = page[-1].position
            coming = asyncio.create_task(_read(log, after, upto, size)) if after < upto else None
            yield page
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait([coming])


async def _read(log: Pages, after: int, upto: int, size: int) -> Page:
    return await log.after(after, min(size, upto - after))
