"""Events for the tests of folds: what matters is given, the rest is the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from domain.events import CallReceived, Event, MessageReceived, SendFailed, StatusReceived

LINE = "106540352242922"
NOW = 1_793_000_000
HOUR = 3600

E = TypeVar("E", bound=Event)


def made(cls: type[E], /, **public: Any) -> E:
    rim = {"line": LINE, "key": "k", "sealed": None, "timestamp": datetime.fromtimestamp(NOW, UTC)}
    return cls(**(rim | {"originator_id": UUID(int=1), "originator_version": 1} | public))


def message(at: int, opens: str | None = "confirmed", **public: Any) -> MessageReceived:
    known = {"message_key": f"m{at}", "type": "text", "source": "live"}
    return made(MessageReceived, at_used=at, opens=opens, **(known | public))


def call(at: int, opens: str | None = "confirmed", **public: Any) -> CallReceived:
    known = {"call_key": f"c{at}", "event": "connect", "source": "live"}
    return made(CallReceived, at_used=at, opens=opens, **(known | public))


def status(at: int, word: str = "delivered", **public: Any) -> StatusReceived:
    known = {"message_key": f"o{at}", "source": "live"}
    return made(StatusReceived, at_used=at, status=word, **(known | public))


def send_failed(dispatched_at: int, code: int | None = 131047, **public: Any) -> SendFailed:
    known = {"send_id": f"s{dispatched_at}", "attempt": 1}
    return made(SendFailed, dispatched_at=dispatched_at, code=code, **(known | public))
