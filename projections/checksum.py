"""A checksum of what a projection's tables hold: the same for the same log, whoever folded it and how."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from projections.rows import Connection
from projections.runner import Projection
from projections.shape import shape
from projections.sql import load


@dataclass(frozen=True, slots=True)
class Checksum:
    """Of all tables of a projection together."""

    name: str
    position: int
    """How far in the log the tables are."""
    rows: int
    sha256: str
    """Over each table's name and its rows, as PostgreSQL writes them in its text format, by primary key."""


async def checksum(db: Connection, projection: Projection, schema: str) -> Checksum:
    """What the tables hold at one moment; `schema` is where they are."""
    sql, rows, digest = load("projections", "checksum.sql", schema), 0, hashlib.sha256()

    async def absorb(data: bytes) -> None:
        nonlocal rows
        rows += data.count(b"\n")
        digest.update(data)

    async with db.transaction(isolation="repeatable_read", readonly=True):
        tables = shape(projection, schema).tables
        for table in tables:
            await db.execute(sql["lock"].replace("{table}", table))
        await db.execute(sql["format"])
        position = await db.fetchval(sql["position"], projection.name) or 0
        for table in tables:
            keys = await db.fetchval(sql["keys"].replace("{table}", table))
            digest.update(f"{table}\n".encode())
            query = sql["rows"].replace("{table}", table).replace("{keys}", ", ".join(keys))
            await db.copy_from_query(query, output=absorb)
    return Checksum(projection.name, position, rows, digest.hexdigest())
