"""Names of hosts are looked up in threads of their own.

A loop has few threads for that, which all share: two names that nobody answers for would hold up every
other look-up of the gateway, to WhatsApp and the database as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

Found = tuple[Any, ...]
"""As socket.getaddrinfo tells it."""


async def looked_up(host: str, port: int, family: int = socket.AF_UNSPEC) -> list[Found]:
    """Where a name leads. Raises OSError, and UnicodeError where no name could be like that."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Found]] = loop.create_future()

    def tell(addresses: list[Found] | None, error: Exception | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses or [])

    def look() -> None:
        addresses: list[Any] | None = None
        error: Exception | None = None
        try:
            addresses = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        except Exception as raised:  # noqa: BLE001 - whoever asked decides
            error = raised
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(tell, addresses, error)

    # A daemon, so that a name which nobody answers for delays no end.
    threading.Thread(target=look, name="look-up", daemon=True).start()
    return await found


class Resolver(AbstractResolver):
    """The same for a connector, which asks once for all connections that wait for a name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Where a name leads."""
        return [
            ResolveResult(
                hostname=host,
                host=_with_scope(address),
                port=int(address[1]),
                family=of,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for of, _, protocol, _, address in await looked_up(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing is kept."""


def _with_scope(address: tuple[Any, ...]) -> str:
    """A link-local address is none without its interface."""
    host = str(address[0])
    has_scope = len(address) > 3 and address[3] and "%" not in host  # noqa: PLR2004 - of IPv6
    return f"{host}%{address[3]}" if has_scope else host
