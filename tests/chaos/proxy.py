"""A TCP proxy that does to connections what networks do: cuts, silence, slowness, half a close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, quote, urlsplit

Direction = Literal["there", "back"]


@dataclass(eq=False)
class _Way:
    """Bytes of one connection in one direction."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_mute: bool = False


@dataclass(eq=False)
class Proxy:
    """Stands before a server; `port` is where it listens on the loopback address."""

    place: str | tuple[str, int]
    """The server's: path of a socket, or host and port."""
    port: int = 0
    delay: float = 0.0
    """Seconds that each piece takes on its way."""
    refuses: bool = False
    """New connections are reset at once."""
    accepted: int = 0
    _open: dict[Direction, asyncio.Event] = field(default_factory=dict)
    _connections: dict[asyncio.Task[None], tuple[_Way, _Way]] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def before(cls, place: str | tuple[str, int]) -> AsyncIterator[Proxy]:
        """A proxy that passes everything on until it is told otherwise."""
        proxy = cls(place)
        for direction in ("there", "back"):
            proxy._open[direction] = asyncio.Event()
        proxy.flow()
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            tasks = [*proxy._connections]
            proxy.cut()
            await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for task, ways in [*self._connections.items()]:
            for way in ways:
                way.writer.transport.abort()
            task.cancel()

    def half_close(self) -> None:
        """End what the server says, as if it were done; what the client says still arrives."""
        for _, back in self._connections.values():
            back.writer.write_eof()

    def stall(self, *directions: Direction) -> None:
        """A black hole: connections stay, also new ones, and nothing arrives, in these directions or both."""
        for direction in directions or ("there", "back"):
            self._open[direction].clear()

    def mute(self) -> None:
        """What the connections of now still say is lost for ever, as when a firewall forgot them."""
        for ways in self._connections.values():
            for way in ways:
                way.is_mute = True

    def flow(self) -> None:
        """End a stall: what was held up arrives late, as after a healed partition."""
        for gate in self._open.values():
            gate.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refuses:
            writer.transport.abort()
            return
        try:
            if isinstance(self.place, str):
                there = await asyncio.open_unix_connection(self.place)
            else:
                there = await asyncio.open_connection(*self.place)
        except OSError:
            writer.transport.abort()
            return
        ways = _Way(reader, there[1]), _Way(there[0], writer)
        task = asyncio.create_task(self._pass_on(*ways))
        self._connections[task] = ways
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        finally:
            self._connections.pop(task, None)
            for way in ways:
                way.writer.transport.abort()

    async def _pass_on(self, there: _Way, back: _Way) -> None:
        with suppress(OSError):
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(there, "there"))
                both.create_task(self._pump(back, "back"))

    async def _pump(self, way: _Way, direction: Direction) -> None:
        with suppress(OSError):
            while data := await way.reader.read(64 * 1024):
                await asyncio.sleep(self.delay)
                await self._open[direction].wait()
                if way.is_mute:
                    continue
                way.writer.write(data)
                await way.writer.drain()
            await self._open[direction].wait()
            way.writer.write_eof()


def place_of(url: str) -> str | tuple[str, int]:
    """Where the server of a PostgreSQL URL listens."""
    parts = urlsplit(url)
    if parts.hostname:
        return parts.hostname, parts.port or 5432
    query = parse_qs(parts.query)
    return f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"


def through(url: str, proxy: Proxy) -> str:
    """The same PostgreSQL database by way of the proxy."""
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return f"postgresql://{who}@127.0.0.1:{proxy.port}{quote(parts.path)}"
