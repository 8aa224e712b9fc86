from __future__ import annotations

import asyncio
from dataclasses import replace
from random import getrandbits
from uuid import UUID, uuid4

import asyncpg
import pytest

from gateway.store import writer as writer_module
from gateway.store.outcomes import Appended, Conflict, Draft, Duplicate, NotTaken, Stale
from gateway.store.postgres import Pool, Postgres
from gateway.store.writer import Writer

PATIENCE = 30.0


def draft(stream: UUID | None = None, key: UUID | None = None, expected: int | None = None) -> Draft:
    token = getrandbits(63)
    return Draft(stream or uuid4(), "SendDispatched", b"{}", key or uuid4(), token, expected)


async def test_what_became_of_each_draft_is_told_in_its_order(database: str, pool: Pool) -> None:
    stream, key = uuid4(), uuid4()
    first = draft(stream, key)
    async with Writer.open(database, pool, "ledgerline") as writer:
        assert await writer.append([first, draft(stream)], 0, patience=PATIENCE) == [
            Appended(1, 1),
            Appended(2, 2),
        ]
        outcomes = await writer.append(
            [first, draft(key=key), draft(stream, expected=1), draft(stream, expected=2)],
            0,
            patience=PATIENCE,
        )
        assert outcomes == [Appended(1, 1), Duplicate(1, 1), Conflict(2), Appended(3, 3)]
        assert await writer.append([draft()], 7, patience=PATIENCE) == [Stale(0)]
    assert await Postgres(pool, "ledgerline").head() == 3


async def test_of_calls_that_wait_together_those_sealed_before_an_epoch_are_stale(
    database: str, pool: Pool
) -> None:
    epoch = await pool.fetchval("select ledgerline.next_epoch_1()")
    async with Writer.open(database, pool, "ledgerline") as writer:
        calls = [writer.append([draft()], sealed, patience=PATIENCE) for sealed in (epoch, epoch - 1, epoch)]
        assert await asyncio.gather(*calls) == [[Appended(1, 1)], [Stale(epoch)], [Appended(2, 1)]]


async def test_what_was_taken_is_stored_before_the_writer_ends(database: str, pool: Pool) -> None:
    async with Writer.open(database, pool, "ledgerline") as writer:
        calls = [asyncio.create_task(writer.append([draft()], 0, patience=PATIENCE)) for _ in range(1_200)]
        await asyncio.sleep(0)
    told = [one for [one] in await asyncio.gather(*calls)]
    assert [one.position for one in told if isinstance(one, Appended)] == [*range(1, 1_201)]


async def test_what_belongs_to_one_call_is_one_transaction_whatever_waits_with_it(
    database: str, pool: Pool
) -> None:
    pairs = [[draft(), draft()] for _ in range(300)]
    async with Writer.open(database, pool, "ledgerline") as writer:
        calls = [[draft() for _ in range(499)], *pairs]
        await asyncio.gather(*(writer.append(call, 0, patience=PATIENCE) for call in calls))
    commits = dict(
        await pool.fetch(
            "select key, s.xmin::text from ledgerline.event_keys"
            " join ledgerline.stored_events s using (notification_id)"
        )
    )
    assert [commits[one.key] for one, _ in pairs] == [commits[other.key] for _, other in pairs]
    assert len(set(commits.values())) > 1


async def test_a_draft_that_can_not_be_stored_fails_alone(database: str, pool: Pool) -> None:
    drafts = [draft() for _ in range(6)]
    drafts[2] = replace(drafts[2], topic="no\0text")
    async with Writer.open(database, pool, "ledgerline") as writer:
        calls = [writer.append([one], 0, patience=PATIENCE) for one in drafts]
        told = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(told.pop(2), asyncpg.CharacterNotInRepertoireError)
    assert told == [[Appended(position, 1)] for position in range(1, 6)]


@pytest.mark.parametrize(("limit", "room"), [("QUEUE_ITEMS", 3), ("QUEUE_BYTES", 6)])
async def test_what_there_is_no_room_for_is_not_taken(
    database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch, limit: str, room: int
) -> None:
    monkeypatch.setattr(writer_module, limit, room)
    async with Writer.open(database, pool, "ledgerline") as writer:
        calls = [writer.append([draft()], 0, patience=PATIENCE) for _ in range(5)]
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert told[:3] == [[Appended(position, 1)] for position in (1, 2, 3)]
        assert [type(one) for one in told[3:]] == [NotTaken, NotTaken]
        assert await writer.append([draft()], 0, patience=PATIENCE) == [Appended(4, 1)]
