"""How a command speaks, runs and gives up."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import cyclopts
import uvloop

T = TypeVar("T")
DataDir = Annotated[Path | None, cyclopts.Parameter(help="Embedded database, master key and sandbox clock.")]


class CannotStartError(Exception):
    """What stands in the way of a start, beside the settings."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def given(data_dir: Path | None) -> dict[str, Any]:
    """The settings that an option gives, over those of the environment."""
    return {} if data_dir is None else {"data_dir": data_dir}


def say(text: str) -> None:
    """A line of what the operator asked for."""
    try:
        print(text, flush=True)  # noqa: T201 - the command's own voice
    except BrokenPipeError:
        leave_unread()


def leave_unread() -> NoReturn:
    """End the command: whoever read along, such as head, has seen enough."""
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
    )  # nothing is left to be flushed at the exit
    sys.exit(1)


def complain(text: str) -> None:
    """A line about what stands in the way."""
    print(f"ledgerline: {text}", file=sys.stderr)  # noqa: T201 - the command's own voice
