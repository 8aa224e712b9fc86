"""The report of windows: how many are open on each line, and which close soon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from typing import Any, Final
from uuid import UUID

import asyncpg

from domain import window as windows
from domain.window import EMPTY, LENGTH, Window
from gateway.settings import Settings
from projections.rows import Connection
from projections.sql import load
from projections.window import WindowProjection

COUNTS: Final = ("open", "sendable", "closing", "free_entry_point", "disputed")
"""open: by WhatsApp's rule; the others are among them. sendable: outside the margin. closing: sendable, but
not for much longer. free_entry_point: free of charge by one. disputed: although WhatsApp refused a send."""

_SQL: Final[Callable[[str], Mapping[str, str]]] = partial(load, "gateway.reports", "open_windows.sql")


@dataclass(frozen=True, slots=True, order=True)
class Closing:
    """A window that closes soon; ordered by when. Times are Unix seconds."""

    sendable_until: int
    conversation: UUID
    """The oldest stream of the conversation."""
    line: str
    open_until: int
    opened_by: str
    """Key of the message or call."""


@dataclass(frozen=True, slots=True)
class WindowsReport:
    """Open windows at one moment."""

    at: datetime
    hours: int
    rows: list[dict[str, Any]]
    """`line`, `mode`, `margin` (seconds), COUNTS: each configured line, and any other with an open window."""
    totals: dict[str, int]
    closing: list[Closing]
    """All that close within `hours`, the soonest first."""
    as_of: int
    """Position of the log up to which openers are known."""


async def report(
    db: Connection, settings: Settings, *, now: datetime, hours: int, line: str | None = None
) -> WindowsReport:
    """The windows open at `now`, of one line or all."""
    at, sql = int(now.timestamp()), _SQL(settings.schema_name)
    names = settings.lines if line is None else (line,)
    rows = {name: _row(settings, name) for name in names}
    closing: list[Closing] = []
    async with db.transaction(isolation="repeatable_read", readonly=True):
        await db.execute(sql["hold"])
        as_of = await db.fetchval(sql["as of"], WindowProjection.name)
        async for name, conversation, window in _conversations(db, sql["open"], at, line):
            until = windows.open_until(window)
            if until is None or until <= at:
                continue
            row = rows.setdefault(name, _row(settings, name))
            sendable_until = until - row["margin"]
            is_closing = at < sendable_until <= at + hours * 3600
            row["open"] += 1
            row["sendable"] += at < sendable_until
            row["closing"] += is_closing
            row["free_entry_point"] += at < (window.free_entry_until or 0)
            row["disputed"] += windows.disputed_by(window) is not None
            if is_closing:
                closing.append(Closing(sendable_until, conversation, name, until, window.opened_by or ""))
    found = [rows[name] for name in sorted(rows)]
    totals = {count: sum(row[count] for row in found) for count in COUNTS}
    return WindowsReport(now, hours, found, totals, sorted(closing), as_of or 0)


def _row(settings: Settings, line: str) -> dict[str, Any]:
    return {
        "line": line,
        "mode": settings.mode(line),
        "margin": settings.margin(line),
        **dict.fromkeys(COUNTS, 0),
    }


async def _conversations(
    db: Connection, sql: str, at: int, line: str | None
) -> AsyncIterator[tuple[str, UUID, Window]]:
    """Each conversation that may be open: its line, its oldest stream, and its window over all of them."""
    together: list[asyncpg.Record] = []
    async for record in db.cursor(sql, at - LENGTH, line, prefetch=1_000):
        if together and (record["line"], record["whose"]) != (together[0]["line"], together[0]["whose"]):
            yield _merged(together)
            together = []
        together.append(record)
    if together:
        yield _merged(together)


def _merged(streams: Sequence[asyncpg.Record]) -> tuple[str, UUID, Window]:
    first = streams[0]
    window = reduce(windows.merge, (Window(*list(record)[3:]) for record in streams), EMPTY)
    return first["line"], first["stream"], window


async def openers(db: Connection, schema: str, closing: Sequence[Closing]) -> dict[str, int]:
    """Where the log holds the messages that opened them, by key; calls are not among them."""
    keys = [UUID(one.opened_by) for one in closing]
    found = await db.fetch(_SQL(schema)["openers"], keys)
    return {str(record["message_key"]): record["position"] for record in found}
