from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from uuid import UUID, uuid4

import asyncpg
from histories import NOW, STREAMS, histories, log_of, message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import SCHEMA, store

from domain import window
from domain.events import Event, Recorded
from domain.window import Window
from gateway.store.codec import decode
from gateway.store.postgres import Pool
from projections.window import CONVERSATION, NEVER_SEEN, WindowProjection

projection = WindowProjection(SCHEMA)


async def as_stored(pool: Pool, admin: str, history: list[Event]) -> tuple[list[UUID], list[Recorded]]:
    """The history at the end of the stored log, in streams of its own."""
    streams = {stream: uuid4() for stream in STREAMS}
    head = await pool.fetchval("select max(notification_id) from ledgerline.stored_events")
    moved = [replace(event, originator_id=streams[event.originator_id]) for event in history]
    log = log_of(moved, after=head or 0)
    await store(admin, log)
    return list(streams.values()), log


def folded(events: Iterable[Event]) -> Window:
    return reduce(window.fold, events, window.EMPTY)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, data=st.data())
async def test_the_window_is_exact_however_far_its_projection_is_behind(
    history: list[Event], data: st.DataObject, admin: str, pool: Pool
) -> None:
    streams, log = await as_stored(pool, admin, history)
    seen = data.draw(st.integers(0, len(log)))

    async with pool.acquire() as db:
        await projection.fold(db, log[:seen])
        read = await projection.read(db, streams, decode)

    positions = [item.position for item in log if isinstance(item.event, CONVERSATION)]
    assert read.window == folded(history)
    assert read.as_of == max(positions, default=0)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, data=st.data())
async def test_many_windows_at_once_are_each_what_they_are_alone(
    history: list[Event], data: st.DataObject, admin: str, pool: Pool
) -> None:
    streams, log = await as_stored(pool, admin, history)
    seen = data.draw(st.integers(0, len(log)))
    conversations = [[streams[0]], streams, [uuid4()], [streams[1], streams[2]], [streams[0]]]

    async with pool.acquire() as db:
        await projection.fold(db, log[:seen])
        together = await projection.read_many(db, conversations, decode)
        alone = [await projection.read(db, conversation, decode) for conversation in conversations]

    assert together == alone
    assert together[2] == NEVER_SEEN


async def test_an_event_that_can_not_be_read_does_not_hide_the_window(pool: Pool, admin: str) -> None:
    opener = message(opens="confirmed")
    streams, log = await as_stored(pool, admin, [opener])
    db = await asyncpg.connect(admin)
    await db.execute(
        "insert into ledgerline.stored_events values ($1, 2, 'SendDreamt', '{}', $2)",
        streams[0],
        log[-1].position + 1,
    )
    await db.close()

    async with pool.acquire() as serving:
        read = await projection.read(serving, streams, decode)

    assert read.window == folded([opener])
    assert read.known_since == NOW
