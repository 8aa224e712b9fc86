"""Whatever many destinations want at once, the loop comes round in between."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from gateway.deliveries.turns import A_ROUND, Turns


async def test_a_few_begin_in_each_round_first_come_first_served() -> None:
    turns, begun, seen = Turns(), list[int](), list[int]()

    async def one(number: int) -> None:
        await turns.next()
        begun.append(number)

    many = [asyncio.create_task(one(number)) for number in range(10 * A_ROUND)]
    while len(begun) < len(many):
        seen.append(len(begun))
        await asyncio.sleep(0)

    assert begun == list(range(10 * A_ROUND))
    assert max(later - sooner for sooner, later in pairwise(seen)) == A_ROUND


async def test_who_waits_no_more_takes_nobodys_turn() -> None:
    turns = Turns()
    given_up = [asyncio.create_task(turns.next()) for _ in range(2 * A_ROUND)]
    await asyncio.sleep(0)
    for one in given_up:
        one.cancel()

    await turns.next()
    await turns.next()
