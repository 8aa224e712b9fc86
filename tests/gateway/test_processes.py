"""Processes that help another one end with it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("working_beside.py")


@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_helper_ends_with_whoever_began_it(*, is_killed: bool) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), stdin=pipe, stdout=pipe, cwd=PROGRAM.parents[2]
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"here\n"
        if is_killed:
            process.kill()
        else:
            process.stdin.close()
        # The helper writes to the same pipe: it has ended when nobody holds the pipe any more.
        assert await process.stdout.read() == b""
        assert (await process.wait() == 0) is not is_killed
