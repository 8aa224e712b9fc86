from __future__ import annotations

from uuid import UUID

from histories import MESSAGES, SENDS, histories, log_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import SCHEMA, MemoryLog, contents, project, start_over

from domain.events import Event
from gateway.store.postgres import Pool
from projections.messages_query import Messages, concerns, life

on_one_database = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
page_sizes = st.lists(st.integers(1, 8), min_size=1, max_size=4)


@on_one_database
@given(data=st.data(), history=histories, pages=page_sizes)
async def test_any_order_repetition_and_paging_gives_the_same_tables(
    data: st.DataObject, history: list[Event], pages: list[int], pool: Pool
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(history), max_size=5)) if history else []
    other_order = data.draw(st.permutations([*history, *repeated]))

    await start_over(pool)
    await project(pool, MemoryLog(log_of(history)))
    expected = await contents(pool)
    await start_over(pool)
    await project(pool, MemoryLog(log_of(other_order), pages))

    assert await contents(pool) == expected


@on_one_database
@given(history=histories, pages=page_sizes)
async def test_a_rebuild_from_nothing_equals_the_tables_that_grew_live(
    history: list[Event], pages: list[int], pool: Pool
) -> None:
    log = log_of(history)
    await start_over(pool)
    growing = MemoryLog(pages=pages)
    for item in log:
        growing.extend([item])
        await project(pool, growing)
    live = await contents(pool, exact=True)
    await start_over(pool)
    await project(pool, MemoryLog(log))

    assert await contents(pool, exact=True) == live


@on_one_database
@given(history=histories)
async def test_the_life_of_a_message_is_the_same_from_tables_and_from_events(
    history: list[Event], pool: Pool
) -> None:
    log = log_of(history)
    queries = Messages(SCHEMA)
    await start_over(pool)
    await project(pool, MemoryLog(log))

    async with pool.acquire() as db:
        for send_id in map(UUID, SENDS):
            assert await queries.life(db, send_id=send_id) == life(log, send_id=send_id)
        for key in map(UUID, MESSAGES):
            assert await queries.life(db, message_key=key) == life(log, message_key=key)


@given(history=histories)
def test_a_life_is_made_of_the_events_that_concern_it(history: list[Event]) -> None:
    log = log_of(history)
    for send_id in map(UUID, SENDS):
        whole = life(log, send_id=send_id)
        if whole is not None:
            assert life([item for item in log if concerns(whole, item.event)], send_id=send_id) == whole


@on_one_database
@given(history=histories, limit=st.integers(1, 4))
async def test_a_search_without_filters_finds_each_life_once(
    history: list[Event], limit: int, pool: Pool
) -> None:
    log = log_of(history)
    await start_over(pool)
    await project(pool, MemoryLog(log))
    queries = Messages(SCHEMA)

    found, after = [], 0
    async with pool.acquire() as db:
        while page := await queries.search(db, after=after, limit=limit):
            found += page
            after = page[-1].position

    parts = [part for one in found for part in one.parts]
    asked = [one.send for one in found if one.send]
    assert [one.position for one in found] == sorted({one.position for one in found})
    assert len(parts) == len({(part.message_key, part.participant) for part in parts})
    assert len(asked) == len({send.send_id for send in asked})
