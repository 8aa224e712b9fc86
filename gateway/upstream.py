"""The one way out to WhatsApp: each POST leaves at most once, and what came of it is a value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

GRAPH_VERSION = "v26.0"
"""The Graph version used where the caller names none (Cloud API reference, section 1)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """WhatsApp answered; judged by domain.graph_errors."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection was made, so not a byte of the request left."""

    cause: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The request may have arrived; the answer did not."""

    cause: str


Outcome = Answered | NotSent | Lost

MEDIA_HOSTS: Final = (".fbsbx.com", ".fbcdn.net", ".whatsapp.net")
"""Where WhatsApp keeps media: the account's token goes nowhere else."""
META_HOSTS: Final = (".facebook.com", ".instagram.com")

TRANSFER: Final = 600.0
"""Seconds that the transfer of a file may take."""


class Upstream:
    """WhatsApp's Graph API for one account."""

    def __init__(self, url: str, token: str, *, timeout: float) -> None:
        """`url` without a trailing slash; `timeout` in seconds for a whole exchange."""
        self._url = url
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 10)),
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=True,
        )
        self._transfer = aiohttp.ClientTimeout(
            total=TRANSFER, sock_connect=min(timeout, 10), sock_read=timeout
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def post(self, path: str, body: dict[str, Any]) -> Outcome:
        """POST once to `path` (without a leading slash). Never raises on what the network does."""
        try:
            async with self._session.post(
                f"{self._url}/{path}",
                data=_bytes(body),
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                return Answered(response.status, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return NotSent(type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            return Lost(type(error).__name__)

    async def read(self, path: str, body: dict[str, Any]) -> Outcome:
        """POST what may arrive twice (mark-as-read, typing): repeated once on a lost connection."""
        outcome = await self.post(path, body)
        return await self.post(path, body) if isinstance(outcome, Lost | NotSent) else outcome

    async def open(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str],
        body: BytesIO | AsyncIterable[bytes] | None = None,
    ) -> aiohttp.ClientResponse | NotSent | Lost:
        """Begin an exchange whose bodies are streamed; the response is the caller's to read and close."""
        try:
            return await self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False, timeout=self._transfer
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return NotSent(type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            return Lost(type(error).__name__)

    def url(self, path: str) -> URL:
        """Where `path` (without a leading slash) is."""
        return URL(f"{self._url}/{path}")

    def keeps_media(self, url: str) -> bool:
        """Whether the address is one of WhatsApp's for media, or on the host of a simulated WhatsApp.

        Graph answers any field under any name (`fields=endpoint_uri.as(url)`), and callers write some of
        them.
        """
        try:
            given = URL(url)
            origin = given.origin()
        except ValueError:
            return False
        if given.user or not given.host:
            return False
        if given.scheme == "https" and given.host.endswith(MEDIA_HOSTS):
            return True
        return origin == self.url("").origin() and not f".{given.host}".endswith(META_HOSTS)

    async def get(self, path: str, query: dict[str, str] | None = None) -> Outcome:
        """GET `path`."""
        try:
            async with self._session.get(f"{self._url}/{path}", params=query) as response:
                return Answered(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NotSent(type(error).__name__)


def _bytes(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # A lone surrogate or an integer over 64 bits: the caller sent it, and WhatsApp judges it.
        return json.dumps(body).encode()
