"""WhatsApp's own list of templates, asked for every hour; what differs from the log goes into it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import orjson

from domain.inbound import wire
from domain.templates import Remembered, differences
from gateway.logs import get_logger
from gateway.metrics import Metrics
from gateway.store.log import Log
from gateway.store.outcomes import Appended, InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE, Pool
from gateway.upstream import GRAPH_VERSION, Answered, Upstream
from projections.templates import TemplateRow, TemplatesProjection

EVERY: Final = 3600.0
"""Seconds between two looks at the list, more or less a tenth."""
AGAIN: Final = 60.0
"""Seconds until the next look after one that failed."""
GATHER: Final = 1.0
"""Seconds that callbacks about templates gather before a look."""
SURE: Final = timedelta(minutes=10)
"""How long a list says that what it doesn't hold isn't there; then WhatsApp is asked again first."""
MOST_PAGES: Final = 1_000
PATIENCE: Final = 5.0
"""Seconds that the log may take to record what a look found."""
_TEMPLATES: Final = {
    "fields": "id,name,language,status,category,previous_category,quality_score,rejected_reason,"
    "parameter_format,components",
    "limit": "100",
}
_NUMBERS: Final = {"fields": "id", "limit": "100"}


@dataclass(frozen=True, slots=True)
class Looked:
    """A look at the whole list."""

    listed: int
    changed: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The list could not be had, or not be recorded; `cause` holds nothing that WhatsApp wrote."""

    cause: str


class TemplateSync:
    """Looks at the list of one account; without an account it does nothing."""

    def __init__(
        self,
        account: str | None,
        *,
        upstream: Upstream,
        projection: TemplatesProjection,
        log: Log,
        pool: Pool,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        """`account`: the WABA."""
        self.account = account
        self._upstream = upstream
        self._projection = projection
        self._log = log
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._wanted = asyncio.Event()
        self._alone = asyncio.Lock()
        self._looked_at: datetime | None = None
        self._listed: frozenset[tuple[str | None, str | None]] = frozenset()
        self._lines: frozenset[str] | None = None

    async def run(self) -> None:
        """Look now, every hour, and soon after `look_soon`, until cancelled."""
        while self.account is not None:
            self._wanted.clear()
            looked = await self.look(self.account)
            rest = EVERY * random.uniform(0.9, 1.1) if isinstance(looked, Looked) else AGAIN  # noqa: S311 - no secret
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), rest)
                await asyncio.sleep(GATHER)

    def look_soon(self) -> None:
        """Something may have changed."""
        self._wanted.set()

    def is_foreign(self, line: str) -> bool:
        """Whether a line is surely another account's, whose templates are in no list here."""
        return self._lines is not None and line not in self._lines

    def lacks(self, line: str, name: str, language: str, now: datetime) -> bool:
        """Whether the line surely has no such template; when only an old list says so, a new one is due."""
        if self._looked_at is None or self._lines is None or line not in self._lines:
            return False
        if (name, language) in self._listed:
            return False
        sure = now - self._looked_at < SURE
        if not sure:
            self.look_soon()
        return sure

    async def look(self, account: str) -> Looked | Failed:
        """Record how the account's list differs from what the log knows."""
        async with self._alone:
            try:
                looked = await self._look(account)
            except (NotTaken, InDoubt, wire.TooDeepError, asyncpg.PostgresError, *DATABASE_GONE) as error:
                looked = Failed(type(error).__name__)
        if isinstance(looked, Failed):
            get_logger().warning("templates not listed", cause=looked.cause)
        self._metrics.template_syncs.labels(type(looked).__name__.lower()).inc()
        return looked

    async def _look(self, account: str) -> Looked | Failed:
        at = self._clock()
        listing = await self._list(f"{account}/message_templates", _TEMPLATES)
        if isinstance(listing, Failed):
            return listing
        await self._learn_lines(account)
        async with self._pool.acquire() as db:
            rows = await self._projection.read(db)
        remembered = {(row.name, row.language): _remembered(row) for row in rows if row.account == account}
        facts = differences(account, listing, remembered, at=at, ids=self._log.ids)
        recordings = await self._log.record(facts, patience=PATIENCE) if facts else []
        self._listed = frozenset(
            (wire.name(one.get("name")), wire.language(one.get("language"))) for one in listing
        )
        self._looked_at = at
        return Looked(len(listing), sum(isinstance(one, Appended) for one in recordings))

    async def _learn_lines(self, account: str) -> None:
        """Which lines the list is for; where WhatsApp doesn't say, what it said before counts."""
        numbers = await self._list(f"{account}/phone_numbers", _NUMBERS)
        if isinstance(numbers, Failed):
            get_logger().warning("phone numbers not listed", cause=numbers.cause)
        else:
            self._lines = frozenset(id_ for one in numbers if (id_ := wire.object_id(one.get("id"))))

    async def _list(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]] | Failed:
        """Every page of a list, or nothing: half of it would say that the rest is gone."""
        found: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            outcome = await self._upstream.get(f"{GRAPH_VERSION}/{path}", {**query, **after})
            page = (
                _page(outcome.body)
                if isinstance(outcome, Answered) and outcome.status == HTTPStatus.OK
                else None
            )
            if page is None:
                return Failed(f"HTTP {outcome.status}" if isinstance(outcome, Answered) else outcome.cause)
            found += wire.objects(page["data"])
            paging = wire.inner(page, "paging")
            cursor = wire.text(wire.inner(paging, "cursors").get("after"))
            if not paging.get("next") or cursor is None:
                return found
            after = {"after": cursor}
        return Failed("the list has no end")


def _page(body: bytes) -> dict[str, Any] | None:
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return page if isinstance(page, dict) and isinstance(page.get("data"), list) else None


def _remembered(row: TemplateRow) -> Remembered:
    return Remembered(
        newest=row.newest,
        status=row.status.status if row.status else None,
        category=row.category.word if row.category else None,
        quality=row.quality.word if row.quality else None,
        definition=row.definition.digest if row.definition else None,
    )
