"""The store as a recorder of the eventsourcing library: inserts are ours, all else is the library's."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from random import getrandbits
from threading import Event, Thread
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import asyncpg
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore, PostgresSubscription

from gateway.store.outcomes import Appended, Draft
from gateway.store.postgres import Pool, append_together, connect_pool
from projections.sql import load

T = TypeVar("T")


def environment(url: str, schema: str) -> dict[str, str]:
    """The library's settings for a log that it may not make tables in."""
    parts = urlsplit(url)
    return {
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_HOST": parts.hostname or parse_qs(parts.query)["host"][0],
        "POSTGRES_PORT": str(parts.port or parse_qs(parts.query).get("port", ["5432"])[0]),
        "POSTGRES_USER": unquote(parts.username or ""),
        "POSTGRES_PASSWORD": unquote(parts.password or ""),
        "POSTGRES_SCHEMA": schema,
        "CREATE_TABLE": "n",
    }


class Recorder(PostgresApplicationRecorder):
    """Inserts through `append_together`, over a loop in a thread of its own."""

    def __init__(self, url: str, schema: str) -> None:
        settings = environment(url, schema)
        datastore = PostgresDatastore(
            settings["POSTGRES_DBNAME"],
            settings["POSTGRES_HOST"],
            settings["POSTGRES_PORT"],
            settings["POSTGRES_USER"],
            settings["POSTGRES_PASSWORD"],
            schema=schema,
            pool_size=4,
            max_overflow=16,
        )
        super().__init__(datastore)
        self._schema = schema
        self._notify = load("gateway.store", "queries.sql", schema)["notify"]
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._pool = self._wait(_pool(url, schema))

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        try:
            appended = self._wait(self._insert(stored_events))
        except asyncpg.UniqueViolationError as error:
            raise IntegrityError(error) from error
        return [one.position for one in appended]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> PostgresSubscription:
        """Returns once it listens: the library pulls first, and would miss what is stored in between."""
        subscription = PostgresSubscription(self, gt=gt, topics=topics)
        woken, heard = subscription._has_been_notified, Event()
        wake = woken.set

        def hear() -> None:
            heard.set()
            wake()

        woken.set = hear  # type: ignore[method-assign]
        while not heard.wait(0.05):
            self._wait(self._pool.execute(self._notify))
        return subscription

    def close(self) -> None:
        self.datastore.close()
        self._wait(self._pool.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _insert(self, events: Sequence[StoredEvent]) -> list[Appended]:
        drafts = [
            Draft(
                event.originator_id,
                event.topic,
                event.state,
                key=uuid4(),
                token=getrandbits(63),
                expected=event.originator_version - 1,
            )
            for event in events
        ]
        async with self._pool.acquire() as db:
            async with db.transaction():
                appended = await append_together(db, self._schema, drafts)
            await db.execute(self._notify)
        return appended

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _pool(url: str, schema: str) -> Pool:
    """Made in the loop that uses it: a pool keeps the loop it was made under."""
    return await connect_pool(url, schema)
