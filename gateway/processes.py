"""Processes that work beside another one, and end with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvloop


@contextlib.contextmanager
def beside(count: int, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> Iterator[None]:
    """Run `work(*arguments)` in `count` processes beside the block; those that still run then are ended.

    `work` is named by its module.
    """
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_work, args=(work, *arguments), daemon=True) for _ in range(count)]
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()


def is_wanted() -> bool:
    """Whether whoever began this process still lives."""
    parent = multiprocessing.parent_process()
    return parent is None or parent.is_alive()


def _work(work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
    # Ctrl-C reaches all processes of a terminal; the one that began this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(work(*arguments))
