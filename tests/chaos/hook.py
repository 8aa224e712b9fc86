"""A destination as a process of its own, to be killed; it remembers on disk what it took."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from processes import free_port


@dataclass(frozen=True, slots=True)
class Taken:
    """One delivery, in the order of arrival."""

    id: str
    subject: str
    position: int
    data: Any


class Hook:
    """Where a destination is, and what it took in all its lives."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._port = free_port()
        self._process: BaseProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    @classmethod
    @asynccontextmanager
    async def serving(cls, memory: Path) -> AsyncIterator[Hook]:
        hook = cls(memory)
        hook.begin()
        try:
            yield hook
        finally:
            await hook.die()

    def begin(self) -> None:
        """Serve again, where it served before."""
        context = multiprocessing.get_context("forkserver")
        self._process = context.Process(target=_serve, args=(self._port, str(self._memory)), daemon=True)
        self._process.start()

    async def die(self) -> None:
        """Without warning."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.join)

    def taken(self) -> list[Taken]:
        """What it has said 200 to, or was about to when it died."""
        lines = self._memory.read_bytes().splitlines() if self._memory.exists() else []
        events = [orjson.loads(line) for line in lines]
        return [Taken(one["id"], one["subject"], int(one["sequence"]), one["data"]) for one in events]


def _serve(port: int, memory: str) -> None:
    into = os.open(memory, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def take(request: web.Request) -> web.Response:
        os.write(into, await request.read() + b"\n")
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)
