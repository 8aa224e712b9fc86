"""Projections made again from the log, beside gateways that serve."""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import asyncpg

from gateway.logs import get_logger
from gateway.processes import beside, is_wanted
from gateway.store.migrate import migrate
from gateway.store.postgres import Connection, Pool, Postgres, connect_pool
from gateway.store.tail import Tail
from projections import catalogue
from projections.bulk import StoppedError
from projections.checksum import Checksum, checksum
from projections.rebuild import Difference, Rebuild
from projections.runner import Projection, Runner
from projections.shape import shape

_SETTINGS: Final = {
    "application_name": "ledgerline rebuild",
    "jit": "off",
    # Whoever vanished in the middle must not hold up the projection that serves.
    "idle_in_transaction_session_timeout": "60s",
}


class UnknownNameError(Exception):
    """A name that no projection has."""


class Teller(Protocol):
    """Who is told how a rebuild goes."""

    def moved(self, name: str, position: int, head: int) -> None:
        """A page is folded."""

    def say(self, text: str) -> None:
        """A line."""


@dataclass(frozen=True, slots=True)
class Where:
    """A log for a rebuild: how it is read, and by whom tables are made."""

    pool: Pool
    schema: str
    url: str
    admin_url: str


async def change_over(where: Where) -> None:
    """Where a release brings another version of a projection, serve it once it has caught up.

    Until then the views show the old version's tables, for the gateways that still run.
    """
    async with where.pool.acquire() as db:
        late = await catalogue.unserved(db, where.schema)
    if not late:
        return
    names = [one.name for one in late]
    get_logger().info("projections catch up before they serve", projections=names)
    await _runner(where, late).catch_up()
    views = [shape(one, where.schema).show for one in late]
    await migrate(where.admin_url, where.schema, serving_url=where.url, extra_ddl=views)
    get_logger().info("projections serve", projections=names)


def named(names: Sequence[str], schema: str) -> list[Projection]:
    """The projections of these names, all of them where there is none. Raises UnknownNameError."""
    known = {one.name: one for one in catalogue.projections(schema)}
    if unknown := [name for name in names if name not in known]:
        missing, there = ", ".join(unknown), ", ".join(known)
        raise UnknownNameError(f"there is no projection {missing}: this release has {there}")
    return [known[name] for name in dict.fromkeys(names)] or [*known.values()]


async def rebuild(
    where: Where, projection: Projection, teller: Teller, *, diff: bool, workers: int = 1
) -> None:
    """Build a projection anew, say with `diff` what is otherwise in it, and let it serve.

    `workers`: so many processes, this one included.
    Raises StoppedError (projections/bulk.py) at an event that can't be folded.
    """
    async with _admin(where) as db:
        if any(one.name == projection.name for one in await catalogue.unserved(db, where.schema)):
            await _runner(where, [projection]).catch_up()
            teller.say(f"{projection.name} has caught up; it serves when a gateway of this release starts")
            return
        build = await _build(where, projection, db)
        if begun := await build.begin():
            teller.say(f"{projection.name} goes on from position {begun}")
        with _seldom_collected():
            await _in_bulk(where, build, teller, workers)
            await build.catch_up(moved=lambda head: teller.moved(build.name, build.position, head))
        if diff:
            await _tell_differences(where, projection, build, teller)
        position = await build.switch()
        kept = ", ".join(await build.kept())
        teller.say(
            f"{projection.name} serves as rebuilt up to position {position}; kept until --drop-old: {kept}"
        )


async def drop_old(where: Where, projection: Projection, teller: Teller) -> None:
    """Drop what served before the last rebuild."""
    async with _admin(where) as db:
        build = await _build(where, projection, db)
        if kept := await build.kept():
            await build.drop_old()
        teller.say(f"{projection.name}: " + (f"dropped {', '.join(kept)}" if kept else "nothing was kept"))


async def checksums(where: Where, wanted: Sequence[Projection]) -> AsyncIterator[Checksum]:
    """What the tables hold, one projection after the other."""
    async with _admin(where) as db:
        for projection in wanted:
            yield await checksum(db, projection, where.schema)


async def _in_bulk(where: Where, build: Rebuild, teller: Teller, workers: int) -> None:
    """What the log holds already, as far as nothing of it is folded."""
    if not await build.bulk.begin():
        return
    standing = await build.bulk.standing()
    parts = 0 if standing is None else standing.parts
    with beside(min(workers, parts) - 1, help_rebuild, where.url, where.admin_url, where.schema, build.name):
        await build.bulk.work(lambda all_: teller.moved(build.name, all_.folded, all_.goal))
    await build.bulk.finish()


async def help_rebuild(url: str, admin_url: str, schema: str, name: str) -> None:
    """Fold parts for another process, until nobody needs more."""
    async with connect_pool(url, schema, size=2) as pool:
        where = Where(pool, schema, url, admin_url)
        async with _admin(where) as db:
            build = await _build(where, named([name], schema)[0], db)
            # What can't be folded is met, and told, by the one that this one works beside.
            with _seldom_collected(), contextlib.suppress(StoppedError):
                while is_wanted() and await build.bulk.fold_next():
                    pass


@contextlib.contextmanager
def _seldom_collected() -> Iterator[None]:
    """Rows and events have no cycles, and looking for some took an eighth of a rebuild."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _tell_differences(where: Where, projection: Projection, build: Rebuild, teller: Teller) -> None:
    await _runner(where, [projection]).catch_up()
    found = 0
    async with _admin(where) as beside:
        async for one in build.differences(beside):
            found += 1
            teller.say(_told(one))
    teller.say(f"{projection.name}: {found or 'no'} row(s) otherwise than in the tables that served")


def _told(one: Difference) -> str:
    return f"{one.table} ({', '.join(one.keys)}) = ({one.row}) {one.found}"


async def _build(where: Where, projection: Projection, db: Connection) -> Rebuild:
    log = Postgres(where.pool, where.schema)
    log_id, _ = await log.identity()
    return Rebuild(
        partial(_of_schema, projection.name),
        db,
        log,
        schema=where.schema,
        maker=f"{log_id} {importlib.metadata.version('ledgerline')}",
    )


def _of_schema(name: str, schema: str) -> Projection:
    return next(one for one in catalogue.projections(schema) if one.name == name)


def _runner(where: Where, chosen: Sequence[Projection]) -> Runner:
    return Runner(chosen, where.pool, Tail(where.pool, where.schema), schema=where.schema)


@contextlib.asynccontextmanager
async def _admin(where: Where) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(where.admin_url, server_settings=_SETTINGS)
    try:
        yield connection
    finally:
        await connection.close()
