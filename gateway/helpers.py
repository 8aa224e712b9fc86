"""Processes that help another one, and end with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvloop


@contextlib.contextmanager
def helped(count: int, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> Iterator[None]:
    """Run `work(*arguments)` in `count` processes beside the block; those that still run then are ended.

    `work` is named by its module.
    """
    spawn = multiprocessing.get_context("spawn")
    helpers = [spawn.Process(target=_help, args=(work, *arguments), daemon=True) for _ in range(count)]
    try:
        for helper in helpers:
            helper.start()
        yield
    finally:
        for helper in helpers:
            if helper.pid is not None:
                helper.terminate()
                helper.join()


def is_wanted() -> bool:
    """Whether whoever began this process still lives."""
    parent = multiprocessing.parent_process()
    return parent is None or parent.is_alive()


def _help(work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
    # Ctrl-C reaches all processes of a terminal; the one that began this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(work(*arguments))
