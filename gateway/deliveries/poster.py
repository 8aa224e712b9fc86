"""The way out to one destination: connections of its own, no redirects, and what came of it as a value."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import aiohttp

from gateway.deliveries.guard import Guard, RefusedAddressError
from gateway.deliveries.names import Resolver

TIMEOUT: Final = 10.0
"""Seconds that a destination has for one delivery."""
CONNECT: Final = 5.0
AT_ONCE: Final = 16
"""Deliveries to one destination at the same time."""
IDLE_FAILS_WITHIN: Final = 1.0
"""Seconds in which it shows that a connection which had been idle is closed."""
_READ: Final = 64 * 1024
"""Bytes of an answer that are read, so that its connection can be used again; nobody looks at them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a POST: a status, or the class of what went wrong."""

    status: int | None
    error: str | None
    retry_after: str | None
    seconds: float
    content_type: str | None = None
    location: str | None = None


class Poster:
    """Posts to one URL. Close it."""

    def __init__(self, url: str, headers: Mapping[str, str], guard: Guard) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": "Ledgerline", **headers},
            timeout=aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=CONNECT),
            connector=aiohttp.TCPConnector(
                limit=AT_ONCE,
                resolver=Resolver(),
                socket_factory=guard.socket_for(tls=url.lower().startswith("https:")),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST once, or twice where a connection that had been idle turns out to be closed."""
        began = time.perf_counter()
        try:
            answer = await self._post(body, headers)
        except RefusedAddressError:
            return _failed("RefusedAddress", began)
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, RefusedAddressError)
            return _failed("RefusedAddress" if refused else type(error).__name__, began)
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
            return _failed(type(error).__name__, began)
        return Answer(
            answer.status,
            None,
            answer.headers.get("Retry-After"),
            time.perf_counter() - began,
            answer.content_type,
            answer.headers.get("Location"),
        )

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        began = time.perf_counter()
        try:
            return await self._once(body, headers)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            is_late = time.perf_counter() - began > IDLE_FAILS_WITHIN
            if is_late or isinstance(error, aiohttp.ClientConnectorError):
                raise
            return await self._once(body, headers)

    async def _once(self, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        async with self._session.post(
            self._url, data=BytesIO(body), headers=headers, allow_redirects=False
        ) as answer:
            # It was taken or not by its status, whatever becomes of the rest.
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                await answer.content.read(_READ)
            return answer


def _failed(error: str, began: float) -> Answer:
    return Answer(None, error, None, time.perf_counter() - began)
