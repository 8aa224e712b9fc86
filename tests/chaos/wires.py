"""A client below HTTP: its bytes come when and as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from typing import Self
from urllib.parse import urlsplit

from running import Running

from gateway import sandbox

WEBHOOKS = "/webhooks/whatsapp"


def signed(body: bytes) -> str:
    """As WhatsApp signs a callback."""
    return "sha256=" + hmac.new(sandbox.APP_SECRET.encode(), body, hashlib.sha256).hexdigest()


class Wire:
    """A client that writes what it likes, when it likes."""

    def __init__(self, gateway: Running) -> None:
        self._address = urlsplit(gateway.url)

    async def __aenter__(self) -> Self:
        host, port = self._address.hostname, self._address.port
        self._reader, self._writer = await asyncio.open_connection(host, port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def head(self, body: bytes, path: str = WEBHOOKS, **headers: str) -> None:
        """A POST with the right signature for `body`, and the sandbox's key; `headers` beside them."""
        given = {"Host": "gateway", "X-Hub-Signature-256": signed(body)}
        given |= {"Authorization": f"Bearer {sandbox.API_KEY}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        await self.write("\r\n".join(lines).encode())

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        self._writer.write_eof()

    async def status(self) -> int:
        """Of the next answer; 0 when there is none."""
        line = await self._reader.readline()
        return int(line.split()[1]) if line else 0

    async def answer(self) -> tuple[int, bytes]:
        """The next answer, with which the gateway ends the connection: status and all the rest.

        What was written behind the end resets the connection; what came before it counts.
        """
        came = b""
        with contextlib.suppress(ConnectionResetError):
            while more := await self._reader.read(65_536):
                came += more
        line, _, rest = came.partition(b"\r\n")
        return int(line.split()[1]) if line else 0, rest

    async def rest(self) -> bytes:
        """What follows the status of an answer on a connection that stays."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        [length] = [
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        ]
        return await self._reader.readexactly(length)
