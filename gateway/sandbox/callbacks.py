"""Callbacks to the gateway: signed over the raw bytes, repeated until answered with 200."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from gateway.sandbox.faults import Faults

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
"""Seconds between two tries; WhatsApp's own grow to hours."""
PATIENCE: Final = aiohttp.ClientTimeout(total=30)
OK: Final = 200


@dataclass(slots=True, eq=False)
class Update:
    """One change of a callback, numbered as it came about, and whether it was acknowledged."""

    number: int
    change: dict[str, Any]
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Batch:
    wanted: int
    updates: list[Update] = field(default_factory=list)
    full: asyncio.Event = field(default_factory=asyncio.Event)


class Callbacks:
    """Delivers updates at least once; those of one call in order, different calls side by side."""

    def __init__(
        self,
        url: str,
        *,
        waba: str,
        app_secret: str,
        verify_token: str,
        faults: Faults,
        acknowledged: Callable[[list[Update]], None],
    ) -> None:
        self.url = url
        self._waba = waba
        self._secret = app_secret.encode()
        self._verify_token = verify_token
        self._faults = faults
        self._acknowledged = acknowledged
        self._tasks: set[asyncio.Task[None]] = set()
        self._batch: _Batch | None = None
        self._session: aiohttp.ClientSession | None = None

    def deliver(self, updates: Iterable[Update]) -> None:
        """Begin to deliver in the background."""
        alone = [update for update in updates if not self._batched(update)]
        if len(alone) > 1 and self._faults.take("reorder"):
            alone.reverse()
        if alone:
            self._start(self._in_order([[update] for update in alone]))

    async def settled(self) -> None:
        """Return when everything has been acknowledged."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def verified(self) -> bool:
        """WhatsApp's verification request: whether the callback URL gives the challenge back."""
        challenge = str(secrets.randbelow(10**9))
        query = {
            "hub.mode": "subscribe",
            "hub.verify_token": self._verify_token,
            "hub.challenge": challenge,
        }
        try:
            async with self._http().get(self.url, params=query) as answer:
                return answer.status == OK and await answer.text() == challenge
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def close(self) -> None:
        """Stop; what is not acknowledged stays so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _batched(self, update: Update) -> bool:
        if self._batch is None:
            fault = self._faults.take_whole("batch")
            if fault is None:
                return False
            self._batch = _Batch(fault.times)
            self._start(self._gathered(self._batch, fault.seconds))
        batch = self._batch
        batch.updates.append(update)
        if len(batch.updates) == batch.wanted:
            self._batch = None
            batch.full.set()
        return True

    async def _gathered(self, batch: _Batch, seconds: float) -> None:
        """Post a batch when it is full, or when nothing more came for `seconds`."""
        try:
            await asyncio.wait_for(batch.full.wait(), seconds)
        except TimeoutError:
            if self._batch is batch:
                self._batch = None
        await self._in_order([batch.updates])

    async def _in_order(self, posts: list[list[Update]]) -> None:
        for updates in posts:
            body = self._body([update.change for update in updates])
            await self._until_acknowledged(body)
            self._acknowledged(updates)
            for update in updates:
                update.acknowledged.set()
            if self._faults.take("duplicate"):
                await self._until_acknowledged(body)

    def _body(self, changes: list[dict[str, Any]]) -> bytes:
        """As WhatsApp writes it: everything but ASCII escaped, and so are slashes."""
        envelope = {"object": "whatsapp_business_account", "entry": [{"id": self._waba, "changes": changes}]}
        return json.dumps(envelope, separators=(",", ":")).replace("/", "\\/").encode()

    async def _until_acknowledged(self, body: bytes) -> None:
        pause = FIRST_PAUSE
        while not await self._posted(body):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _posted(self, body: bytes) -> bool:
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
        try:
            async with self._http().post(
                self.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                await answer.read()
                return answer.status == OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=PATIENCE, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
