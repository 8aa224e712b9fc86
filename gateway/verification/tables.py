"""Projections against a rebuild from zero, which is made of temporary tables and leaves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.events import Recorded, Undecodable
from gateway.store.postgres import Pool
from gateway.verification.findings import Findings
from gateway.verification.pages import Stored, pages
from projections import catalogue, runner
from projections.messages import MessagesProjection
from projections.runner import Projection, Runner

SCRATCH: Final = "pg_temp"


class _Page:
    """A reader (projections/runner.py) of one page."""

    def __init__(self) -> None:
        self._items: Sequence[Recorded | Undecodable] = ()

    def turn(self, items: Sequence[Recorded | Undecodable], upto: int) -> None:
        self._items = [item for item in items if item.position <= upto]

    async def after(self, position: int, limit: int) -> Sequence[Recorded | Undecodable]:
        return [item for item in self._items if item.position > position][:limit]

    async def wait(self) -> None:
        raise AssertionError("a page does not grow")

    async def head(self) -> int:
        return self._items[-1].position if self._items else 0


@dataclass(slots=True)
class _Rebuilt:
    name: str
    runner: Runner
    page: _Page
    tables: Mapping[str, Sequence[str]]
    """Columns of the primary key, by table."""
    upto: int
    """How far it is folded: at first, to where the real one stood at the start."""


class Rebuild:
    """All projections, in the session of a pool that must have one connection."""

    def __init__(self, pool: Pool, sql: Mapping[str, str], findings: Findings) -> None:
        self._pool = pool
        self._sql = sql
        self._findings = findings
        self._all: list[_Rebuilt] = []

    async def begin(self) -> None:
        """Make the tables. Raises asyncpg.InsufficientPrivilegeError where temporary ones are not allowed."""
        await self._pool.execute(self._sql["scratch"])
        await self._pool.execute(runner.ddl(SCRATCH))
        for projection in catalogue.projections(SCRATCH):
            self._all.append(await self._made(projection))

    async def follow(self, page: Sequence[Stored]) -> None:
        """The next events, in order."""
        items = [one.item for one in page]
        for one in self._all:
            await self._fold(one, items)

    async def close(self) -> None:
        """Compare, each as of where the real one stands at that moment."""
        for one in self._all:
            while (position := await self._compare(one)) != one.upto:
                before, one.upto = one.upto, position
                async for page in pages(self._pool, self._sql, before, position):
                    await self._fold(one, [stored.item for stored in page])
            if one.name == MessagesProjection.name:
                await self._accepted_twice()

    async def _made(self, projection: Projection) -> _Rebuilt:
        before = await self._tables()
        await self._pool.execute(projection.ddl(SCRATCH))
        after = await self._tables()
        page = _Page()
        return _Rebuilt(
            name=projection.name,
            runner=Runner([projection], self._pool, page, schema=SCRATCH),
            page=page,
            tables={name: keys for name, keys in after.items() if name not in before},
            upto=await self._pool.fetchval(self._sql["checkpoint"], projection.name) or 0,
        )

    async def _tables(self) -> dict[str, Sequence[str]]:
        return {row["name"]: row["keys"] for row in await self._pool.fetch(self._sql["scratch tables"])}

    async def _fold(self, one: _Rebuilt, items: Sequence[Recorded | Undecodable]) -> None:
        one.page.turn(items, one.upto)
        await one.runner.catch_up()

    async def _compare(self, one: _Rebuilt) -> int:
        """Where the real one stands; compared only where that is where the rebuilt one stands too."""
        async with (
            self._pool.acquire() as db,
            db.transaction(isolation="repeatable_read", readonly=True),
        ):
            position: int = await db.fetchval(self._sql["checkpoint"], one.name) or 0
            if position != one.upto:
                return position
            rows = 0
            for table, keys in one.tables.items():
                names = ", ".join(keys)
                sql = self._sql["difference"].replace("{table}", table).replace("{keys}", names)
                for row in await db.fetch(sql):
                    text = f"{table} ({names}) = ({row['row']}) {row['wrong']}"
                    self._findings.add(one.name, position, text)
                rows += await db.fetchval(self._sql["count"].replace("{table}", table))
        text = f"{rows} rows of {len(one.tables)} table(s) as a rebuild up to {position} makes them"
        self._findings.conclude(one.name, text)
        return position

    async def _accepted_twice(self) -> None:
        found = await self._pool.fetch(self._sql["accepted twice"])
        for row in found:
            text = f"send {row['send_id']} is {row['messages']} messages after {row['dispatched']} attempt(s)"
            self._findings.add("messages", row["position"], text)
        self._findings.conclude("messages", "no send is more messages than it was to be")
