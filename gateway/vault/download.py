"""One try to bring a file from WhatsApp into the vault: its address by its id, then the bytes, checked."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import aiohttp
from aiohttp import hdrs
from yarl import URL

from domain.media import LIMIT, Media, digest
from gateway.upstream import GRAPH_VERSION, Answered, Lost, NotSent, Upstream
from gateway.vault.sealed import Seal
from gateway.vault.store import Store, StoreError

PIECE: Final = 64 * 1024
OK: Final = 200
UNKNOWN_OBJECT: Final = 100
"""Graph's code for an id that names nothing."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The file lies in the store, whole."""

    size: int
    sha256: str
    mime_type: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing lies in the store."""

    reason: str
    """A word of ours."""
    passes: bool = False
    """It is not about the file, and passes: WhatsApp or the store is away."""
    certain: bool = False
    """Another try would end in the same way."""


class _BrokenOffError(Exception):
    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


@dataclass(frozen=True, slots=True)
class Download:
    """A file on its way; `line` is whose file it is, as WhatsApp wants to know."""

    upstream: Upstream
    store: Store
    line: str
    media: Media

    async def run(self, object_id: UUID, seal: Seal) -> Fetched | Failed:
        """Fetch, check and store it. Never raises on what WhatsApp, the network or the store do."""
        about = await self._look_up()
        return about if isinstance(about, Failed) else await self._fetch(about, object_id, seal)

    async def _fetch(self, about: dict[str, Any], object_id: UUID, seal: Seal) -> Fetched | Failed:
        url, expected = about.get("url"), self.media.sha256 or digest(about.get("sha256"))
        if not isinstance(url, str) or not self.upstream.keeps_media(url):
            return Failed("no_address")
        response = await self.upstream.open(
            "GET", URL(url, encoded=True), headers={hdrs.ACCEPT_ENCODING: "identity"}
        )
        if isinstance(response, NotSent | Lost):
            return Failed("not_reached", passes=True)
        async with response:
            if response.status != OK:
                return _refused(response.status, {})
            checked = _Checked(response, expected)
            if failed := await self._store(object_id, seal, checked):
                return failed
        kind = self.media.mime_type or about.get("mime_type") or response.content_type
        return Fetched(checked.size, checked.sha256, str(kind))

    async def _store(self, object_id: UUID, seal: Seal, checked: _Checked) -> Failed | None:
        try:
            await self.store.write(object_id, seal.close(checked))
        except _BrokenOffError as error:
            return error.failed
        except StoreError:
            return Failed("store_failed", passes=True)
        return None

    async def _look_up(self) -> dict[str, Any] | Failed:
        outcome = await self.upstream.get(f"{GRAPH_VERSION}/{self.media.id}", {"phone_number_id": self.line})
        if not isinstance(outcome, Answered):
            return Failed("not_reached", passes=True)
        about = _object(outcome.body)
        if outcome.status != OK:
            return _refused(outcome.status, about)
        return about


class _Checked:
    """The body of an answer; at its end it is what was promised, or it was broken off."""

    def __init__(self, response: aiohttp.ClientResponse, expected: str | None) -> None:
        self._response = response
        self._expected = expected
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if (self._response.content_length or 0) > LIMIT:
            raise _BrokenOffError(Failed("too_large", certain=True))
        try:
            async for piece in self._response.content.iter_chunked(PIECE):
                self.size += len(piece)
                if self.size > LIMIT:
                    raise _BrokenOffError(Failed("too_large", certain=True))
                self._hash.update(piece)
                yield piece
                await asyncio.sleep(0)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise _BrokenOffError(Failed("not_reached", passes=True)) from None
        if self._expected is not None and self.sha256 != self._expected:
            raise _BrokenOffError(Failed("wrong_content"))


def _refused(status: int, answer: dict[str, Any]) -> Failed:
    """Only a plain word of WhatsApp's that there is no such file is about the file."""
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if status in (404, 410) or (status == 400 and code in (None, UNKNOWN_OBJECT)):  # noqa: PLR2004 - HTTP
        return Failed("gone")
    return Failed("refused", passes=True)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
