"""The table of destinations; their secrets and headers are sealed with the master key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from domain.destinations.model import Destination, Filter, Secret, State
from gateway.store.keyring import Masters, Wrapped
from gateway.store.postgres import Connection
from projections.sql import load


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a destination has a partition."""

    partition: int
    position: int
    delivered: int
    skipped: int
    rate: float
    """Deliveries a second, lately."""
    noted_at: datetime | None
    last_success: datetime | None
    answers: list[dict[str, Any]]
    """The last ones, the oldest first: {at, position, status or error, seconds}."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a destination stands with its deliveries."""

    progress: list[Progress]
    waiting: int
    """Events that could not be delivered, or wait behind such a one, and are tried again."""
    dead: int
    failing_since: datetime | None
    next_try: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """A destination at one look."""

    name: str
    state: State
    position: int
    """Everything up to it is delivered or parked."""
    parked: int
    dead: int


class DestinationTable:
    """The table `destinations`, and what hangs on it."""

    def __init__(self, schema: str, *, log_id: UUID, masters: Masters) -> None:
        self._sql = load("gateway.store", "destinations.sql", schema)
        self._log_id = log_id
        self._masters = masters

    async def all(self, db: Connection) -> list[Destination]:
        """Every destination, the oldest first."""
        return [self._read(row) for row in await db.fetch(self._sql["all"])]

    async def one(self, db: Connection, destination: UUID, *, lock: bool = False) -> Destination | None:
        """A destination; `lock`: until the transaction's end."""
        row = await db.fetchrow(self._sql["locked" if lock else "one"], destination)
        return self._read(row) if row else None

    async def named(self, db: Connection, name: str) -> UUID | None:
        """The id of the destination with this name."""
        found: UUID | None = await db.fetchval(self._sql["named"], name)
        return found

    async def add(self, db: Connection, one: Destination, *, after: int) -> None:
        """A new destination, which gets what comes after a position. Raises UniqueViolationError (name)."""
        await db.execute(self._sql["add"], *_columns(one), one.created_at, *self._sealed(one))
        await db.execute(self._sql["begin"], one.id, after)

    async def change(self, db: Connection, one: Destination) -> None:
        """Store a destination anew; what it failed before is forgotten, so that it is tried at once."""
        await db.execute(self._sql["change"], *_columns(one), *self._sealed(one))

    async def remove(self, db: Connection, destination: UUID) -> None:
        """Remove a destination with its cursors and what is parked."""
        await db.execute(self._sql["remove"], destination)

    async def go_back(self, db: Connection, destination: UUID, *, after: int) -> None:
        """Deliver again everything after a position, in order."""
        await db.execute(self._sql["touch"], destination)
        await db.execute(self._sql["back to"], destination, after)

    async def revive(self, db: Connection, destination: UUID, now: datetime) -> int:
        """Try the dead letters again; how many there were."""
        await db.execute(self._sql["touch"], destination)
        done = await db.execute(self._sql["revive"], destination, now)
        return int(done.rpartition(" ")[2])

    async def hasten(self, db: Connection, destination: UUID, now: datetime) -> None:
        """Try what is parked now, as if it had failed just now for the first time."""
        await db.execute(self._sql["hasten"], destination, now)

    async def standing(self, db: Connection, destination: UUID) -> Standing:
        """How far its deliveries are."""
        parked = {row["state"]: row for row in await db.fetch(self._sql["parked counts"], destination)}
        failing = await db.fetchrow(self._sql["failing"], destination)
        since, next_at = tuple(failing) if failing else (None, None)
        waiting = parked.get("waiting")
        return Standing(
            [_progress(row) for row in await db.fetch(self._sql["progress"], destination)],
            waiting["count"] if waiting else 0,
            parked["dead"]["count"] if "dead" in parked else 0,
            since,
            next_at or (waiting["next_at"] if waiting else None),
        )

    async def overview(self, db: Connection) -> list[Overview]:
        """Every destination at one look."""
        return [Overview(*row) for row in await db.fetch(self._sql["overview"])]

    def _sealed(self, one: Destination) -> tuple[bytes, str]:
        until = [secret.until.isoformat() if secret.until else None for secret in one.secrets]
        values = [secret.value for secret in one.secrets]
        content = {"secrets": list(zip(values, until, strict=True)), "headers": one.headers}
        wrapped = self._masters.wrap(orjson.dumps(content), self._bound(one.id))
        return wrapped.data, wrapped.master_id

    def _bound(self, destination: UUID) -> bytes:
        return self._log_id.bytes + destination.bytes + b"destination"

    def _read(self, row: asyncpg.Record) -> Destination:
        opened = self._masters.unwrap(Wrapped(row["sealed"], row["master_id"]), self._bound(row["id"]))
        content = orjson.loads(opened)
        return Destination(
            id=row["id"],
            name=row["name"],
            url=row["url"],
            format=row["format"],
            filter=Filter(*(frozenset(row[name]) for name in ("lines", "topics", "types", "sources"))),
            state=row["state"],
            reason=row["reason"],
            revision=row["revision"],
            created_at=row["created_at"],
            secrets=tuple(
                Secret(value, datetime.fromisoformat(until) if until else None)
                for value, until in content["secrets"]
            ),
            headers=content["headers"],
        )


def _columns(one: Destination) -> tuple[object, ...]:
    wanted = one.filter
    lists = [sorted(names) for names in (wanted.lines, wanted.topics, wanted.types, wanted.sources)]
    return one.id, one.name, one.url, one.format, *lists, one.state, one.reason


def _progress(row: asyncpg.Record) -> Progress:
    values = dict(row)
    return Progress(**values | {"answers": orjson.loads(values["answers"])})
