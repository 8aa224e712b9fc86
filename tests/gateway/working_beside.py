"""A program that has a helper, which lives as long as it is wanted."""

from __future__ import annotations

import asyncio
import sys

from gateway.processes import beside, is_wanted


async def stay() -> None:
    """Help until nobody wants it."""
    sys.stdout.write("here\n")
    sys.stdout.flush()
    while is_wanted():  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    with beside(1, stay):
        sys.stdin.read()
