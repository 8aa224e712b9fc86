"""The audit of a log, and what only a test knows: what was acknowledged, and what WhatsApp accepted.

A program of its own: `python tests/chaos/audit.py DATABASE_URL KNOWN.json`, with LEDGERLINE_MASTER_KEY.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from domain import callback_data
from domain.events import Event, MessageReceived, Recorded, SendAccepted, SendSettled, StatusReceived
from domain.ids import Ids
from gateway.app import Databases
from gateway.audit import verify_log
from gateway.sandbox.simulator import Simulator
from gateway.store.log import Log
from gateway.store.postgres import connect_pool

SCHEMA = "ledgerline"
PAGE = 1_000


@dataclass
class Known:
    """Ids as WhatsApp and the callers have them."""

    told: dict[str, str] = field(default_factory=dict)
    """send_id to message_id: what callers were told was accepted."""
    accepted: list[tuple[str, int, str]] = field(default_factory=list)
    """send_id, attempt and message_id of all that WhatsApp accepted."""
    messages: list[str] = field(default_factory=list)
    """message_ids that came in and were acknowledged."""
    statuses: list[tuple[str, str]] = field(default_factory=list)
    """message_id and word of each status that was acknowledged."""

    def learn(self, simulator: Simulator) -> None:
        """Take over what WhatsApp knows."""
        for message in simulator.accepted.values():
            left = callback_data.read(message.send.callback_data)
            assert left is not None
            self.accepted.append((str(left.send_id), left.attempt, message.message_id))
        for update in simulator._network.updates:
            if update.acknowledged.is_set():
                value = update.change["value"]
                self.messages += [one["id"] for one in value.get("messages", ())]
                self.statuses += [(one["id"], one["status"]) for one in value.get("statuses", ())]


async def audit(
    url: str, master_key: bytes, known: Known, *, patience: timedelta, say: Callable[[str], None]
) -> int:
    """How many things are wrong; each is said."""
    wrong = await verify_log(
        Databases(url, url, ()), SCHEMA, now=datetime.now(UTC), patience=patience, say=say
    )
    seen: Counter[tuple[str, ...]] = Counter()
    async with (
        connect_pool(url, SCHEMA, size=3) as pool,
        Log.open(url, pool, SCHEMA, master_keys=(master_key,)) as log,
    ):
        last = 0
        while page := await log.after(last, PAGE):
            last = page[-1].position
            seen.update(one for item in page if isinstance(item, Recorded) for one in _says(item.event))
        for text in _differences(known, log.ids, seen):
            say(f"WRONG   {text}")
            wrong += 1
    return wrong


def _says(event: Event) -> Iterator[tuple[str, ...]]:
    match event:
        case MessageReceived():
            yield "message", event.message_key
        case StatusReceived():
            yield "status", event.message_key, event.status
        case SendAccepted() | SendSettled(settled_as="accepted"):
            yield "accepted", event.send_id, str(event.attempt), event.message_key or ""
            yield "acceptance", event.send_id, event.message_key or ""


def _differences(known: Known, ids: Ids, seen: Counter[tuple[str, ...]]) -> Iterator[str]:
    def key(message_id: str) -> str:
        return str(ids.message(message_id))

    posted = Counter((send_id, attempt) for send_id, attempt, _ in known.accepted)
    for one, times in posted.items():
        if times > 1:
            yield f"WhatsApp accepted attempt {one[1]} of send {one[0]} {times} times"
    expected: list[tuple[str, ...]] = [("message", key(one)) for one in known.messages]
    expected += [("status", key(one), word) for one, word in known.statuses]
    expected += [("accepted", one, str(attempt), key(message)) for one, attempt, message in known.accepted]
    expected += [("acceptance", one, key(message)) for one, message in known.told.items()]
    for one in expected:
        if seen[one] != 1:
            yield f"{' '.join(one)} is in the log {seen[one]} times"


def dump(known: Known, path: Path) -> None:
    """For the program."""
    path.write_bytes(orjson.dumps(asdict(known)))


def main() -> None:
    """Exit code 1 when anything is wrong."""
    url, file = sys.argv[1:]
    known = Known(**orjson.loads(Path(file).read_bytes()))
    key = base64.b64decode(os.environ["LEDGERLINE_MASTER_KEY"])
    wrong = asyncio.run(audit(url, key, known, patience=timedelta(minutes=2), say=print))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
