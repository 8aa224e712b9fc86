"""Changes that callers ask of WhatsApp through the gateway, as the log keeps them.

A change is recorded before it leaves, and again with WhatsApp's answer. A first record without a second is
a change whose outcome is not known.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from domain.events import AccountNoticeReceived
from domain.facts import Account, Fact, Item, Line, Subject
from gateway.auth import ApiKey
from gateway.gateway import Gateway
from gateway.logs import get_logger
from gateway.store.outcomes import InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE

PATIENCE: Final = 5.0
"""Seconds a caller waits for the log."""


@dataclass(frozen=True, slots=True)
class Change:
    """One call that changes something. `account` and `line` as its path names them."""

    call: UUID
    """Random; sealed in both records, so that they can be matched."""
    field: str
    method: str
    caller: ApiKey
    account: str
    line: str | None
    path: str
    personal: bool = False
    """Its body names people: sealed under a key of its own, which is dropped after 90 days."""

    async def begin(self, gateway: Gateway, body: dict[str, Any]) -> None:
        """Record it; from then on it may leave. Raises NotTaken."""
        try:
            await gateway.log.record([self._fact(gateway, {"body": body} if body else {})], patience=PATIENCE)
        except InDoubt:
            raise NotTaken("the log has not answered in time") from None

    async def end(self, gateway: Gateway, status: int, answer: bytes) -> None:
        """Record WhatsApp's answer; it happened, so the caller hears of it also where the log is away."""
        said = {"answer": answer.decode("utf-8", "replace")}
        recording = gateway.keep(self._record(gateway, self._fact(gateway, said, status)))
        await asyncio.wait({recording}, timeout=PATIENCE)

    async def _record(self, gateway: Gateway, fact: Fact) -> None:
        try:
            await gateway.log.record([fact], patience=PATIENCE)
        except (NotTaken, InDoubt, *DATABASE_GONE):
            get_logger().warning("answer to a change not recorded", field=self.field, caller=self.caller.name)

    def _fact(self, gateway: Gateway, private: dict[str, Any], http_status: int | None = None) -> Fact:
        now = gateway.clock()
        public = {
            "account": self.account,
            "field": self.field,
            "event": self.method,
            "at_used": int(now.timestamp()),
            "caller": self.caller.name,
            "http_status": http_status,
        }
        sealed = {"call": str(self.call), "path": self.path} | private
        return Fact(
            AccountNoticeReceived, self.line, self._subject(), uuid4(), now, public=public, private=sealed
        )

    def _subject(self) -> Subject:
        if self.personal:
            return Item(self.account)
        return Line() if self.line else Account(self.account)


def account_of(gateway: Gateway, named: str | None = None) -> str:
    """The account that a change concerns: the one a path names, else the configured one."""
    return named or gateway.settings.waba or "unknown"
