"""Two gateways under mixed load are killed at random moments, and a follower of the feed misses nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from audit import dump
from follower import Follower
from pair import KILLS, Pair, loaded, sound
from processes import house
from running import MASTER_KEY


@pytest.mark.timeout(120 + 6 * KILLS)
async def test_nothing_is_lost_or_doubled_whoever_dies(database: str, tmp_path: Path) -> None:
    async with house(database) as home, AsyncExitStack() as stack:
        pair = Pair(home, stack)
        await asyncio.gather(pair.open(0), pair.open(1))
        follower = Follower(lambda: pair.any)
        async with follower.following():
            load = await loaded(home, pair, KILLS)
        said = await sound(home, load.known)
        dump(load.known, tmp_path / "known.json")
        await follower.sees(int(said[0].rpartition(" ")[2]))
        assert await audited(home.database, tmp_path / "known.json") == 0
        assert follower.streams > 1
        assert len(load.known.told) >= KILLS // 2
        assert load.known.messages


async def audited(database: str, known: Path) -> int:
    """What the audit says as a program of its own."""
    words = sys.executable, str(Path(__file__).with_name("audit.py")), database, str(known)
    key = {"LEDGERLINE_MASTER_KEY": MASTER_KEY}
    program = await asyncio.create_subprocess_exec(*words, env=os.environ | key)
    return await program.wait()
