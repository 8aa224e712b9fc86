"""What is known of a message template when a send names it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from domain.events import Recorded
from domain.templates import Known, read
from gateway.store.log import Log
from gateway.store.postgres import Connection, Pool
from gateway.template_sync import TemplateSync
from projections.templates import TemplateRow, TemplatesProjection

Json = dict[str, Any]
TOLD: Final = timedelta(hours=24)
"""How long a status counts that only a callback told: the one that lifts it may have been lost."""


class Templates:
    """The templates that the log knows; their components, which are sealed, are kept once opened."""

    def __init__(
        self,
        projection: TemplatesProjection,
        log: Log,
        pool: Pool,
        *,
        sync: TemplateSync,
    ) -> None:
        """`sync`: what WhatsApp's own list says."""
        self._projection = projection
        self._log = log
        self._pool = pool
        self._sync = sync
        self._opened: dict[int, Json | None] = {}

    async def named(self, db: Connection, name: str, language: str) -> list[TemplateRow]:
        """What WhatsApp told of a template, of every account that has it."""
        return await self._projection.named(db, name, language)

    async def known(
        self, line: str, name: str, language: str, now: datetime, rows: Sequence[TemplateRow]
    ) -> Known | None:
        """What is known of a template that a line may send; None when that is nothing. `rows`: of `named`."""
        mine = self._of_line(line, rows)
        if not mine:
            return Known(status="DELETED") if self._sync.lacks(line, name, language, now) else None
        if len(mine) > 1:
            return None
        [row], [item] = mine, await self.items(mine)
        return Known(
            status=self._status(row, now),
            category=row.category.word if row.category else None,
            first_category=row.first_category.word if row.first_category else None,
            definition=read(item) if item else None,
        )

    def _of_line(self, line: str, rows: Sequence[TemplateRow]) -> Sequence[TemplateRow]:
        """Those of the line's account; of any other where nobody knows which it is."""
        account = self._sync.account
        if self._sync.is_foreign(line):
            return [row for row in rows if row.account != account]
        return [row for row in rows if row.account == account] or rows

    def _status(self, row: TemplateRow, now: datetime) -> str | None:
        if row.status is None:
            return None
        looked_after = row.account == self._sync.account
        is_old = now - datetime.fromtimestamp(row.status.at, UTC) >= TOLD
        return None if is_old and not looked_after else row.status.status

    async def rows(self) -> list[TemplateRow]:
        """Every template that WhatsApp told of."""
        async with self._pool.acquire() as db:
            return await self._projection.read(db)

    async def items(self, rows: Sequence[TemplateRow]) -> list[Json | None]:
        """Each template as WhatsApp listed it; None where it never did, or told of a change since."""
        places = [
            row.definition.position if row.definition and row.definition.digest else None for row in rows
        ]
        missing = [place for place in places if place is not None and place not in self._opened]
        if missing:
            found = [one for one in await self._log.events_at(missing) if isinstance(one, Recorded)]
            contents = await self._log.opened([one.event for one in found])
            for one, content in zip(found, contents, strict=True):
                self._opened[one.position] = (content or {}).get("item")
        return [None if place is None else self._opened.get(place) for place in places]
