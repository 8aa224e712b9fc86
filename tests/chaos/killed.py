"""The command with one more thing: the process kills itself at a step, named by the event it records."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from multiprocessing.process import BaseProcess
from typing import Any

from domain.destinations import schedule
from domain.facts import Fact
from gateway import cli
from gateway.sends import settler
from gateway.store.log import Log
from gateway.store.tail import Tail
from gateway.vault import fetch, objects, sweep

GIVEN_UP = 1.0
"""Seconds until a dispatch without an outcome counts as unknown."""


def start(words: Sequence[str], settings: Mapping[str, str], at: str) -> BaseProcess:
    """`ledgerline` with these words; `at` is "before TOPIC", "after TOPIC" or "never".

    Forked from a process that has imported everything once, or most of the time would go into that.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gateway.cli"])
    process = context.Process(target=_run, args=(tuple(words), dict(settings), at), daemon=True)
    process.start()
    return process


def _run(words: Sequence[str], settings: Mapping[str, str], at: str) -> None:
    for name in [name for name in os.environ if name.startswith("LEDGERLINE_")]:
        del os.environ[name]
    os.environ |= {f"LEDGERLINE_{name}": value for name, value in settings.items()}
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(silence, stream)
    # Unknown sends are given up soon, and their callers told soon.
    settler.GRACE = GIVEN_UP - float(settings["UPSTREAM_TIMEOUT"])
    settler.SWEEP = 0.2
    settler.PATIENCE = 0.3
    _hurry()
    _arm(*at.split())
    sys.argv = ["ledgerline", *words]
    cli.main()


def _hurry() -> None:
    """Followers look every 0.2 seconds without a hint: nothing is given up before the second look."""
    wait = Tail.wait

    async def soon(tail: Tail) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await wait(tail)

    Tail.wait = soon
    # A dead gateway's claims on files end soon, and so does what it left.
    objects.LEASE, objects.SLOW = timedelta(seconds=2), timedelta(seconds=3)
    fetch.RENEW, sweep.EVERY = 0.5, 0.2
    # A destination that died is tried again soon.
    schedule.DELAYS, schedule.LAST_DELAY = (0.2,), 0.5


def _arm(when: str, topic: str = "") -> None:
    record = Log.record

    async def killing(log: Log, facts: Sequence[Fact], *, patience: float) -> Any:
        is_it = topic in [fact.event.TOPIC for fact in facts]
        if is_it and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        recorded = await record(log, facts, patience=patience)
        if is_it and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return recorded

    Log.record = killing
