"""Make, change and remove destinations: by the API, on the command line, or from a file at the start."""

from __future__ import annotations

import asyncio
import contextlib
import secrets as random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import asyncpg

from domain.destinations import asked, signing
from domain.destinations.asked import NoDestinationError
from domain.destinations.model import Destination, Format, Secret, State
from domain.events import DestinationChanged, Recorded, Undecodable
from domain.facts import Account, Fact
from gateway.deliveries import pings
from gateway.deliveries.guard import Guard
from gateway.deliveries.poster import Answer
from gateway.logs import get_logger
from gateway.store.destinations import DestinationTable, Overview, Standing
from gateway.store.log import Log
from gateway.store.outcomes import InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE, Connection, Pool

PATIENCE: Final = 5.0
OVERLAP: Final = timedelta(hours=24)
"""How long a secret that was replaced still signs beside the new one."""
MOST_SECRETS: Final = 5
SETTINGS: Final = "settings"
CHANGEABLE: Final = ("name", "url", "filter", "headers")

From = int | Literal["head"]


class NameTakenError(Exception):
    """There is a destination of this name."""


@dataclass(frozen=True, slots=True)
class Made:
    """A destination, and its new secret: shown once."""

    destination: Destination
    secret: str


class Destinations:
    """The destinations of one log. What is asked wrongly raises NoDestinationError."""

    def __init__(
        self,
        log: Log,
        pool: Pool,
        schema: str,
        *,
        clock: Callable[[], datetime],
        guard: Guard,
        lines: Sequence[str],
    ) -> None:
        """`lines`: of the account."""
        self._log = log
        self._pool = pool
        self._clock = clock
        self._guard = guard
        self._lines = lines
        self.changed = asyncio.Event()
        """Set with every change that is made here; others are seen when somebody looks."""
        self._table = DestinationTable(schema, log_id=log.log_id, masters=log.masters)

    async def all(self) -> list[Destination]:
        """The oldest first."""
        async with self._pool.acquire() as db:
            return await self._table.all(db)

    async def find(self, named: UUID | str) -> Destination | None:
        """By id or name."""
        async with self._pool.acquire() as db:
            found = named if isinstance(named, UUID) else await self._id_of(db, named)
            return await self._table.one(db, found) if found else None

    async def _id_of(self, db: Connection, named: str) -> UUID | None:
        try:
            return UUID(named)
        except ValueError:
            return await self._table.named(db, named)

    async def standing(self, one: Destination) -> Standing:
        """How far its deliveries are."""
        async with self._pool.acquire() as db:
            return await self._table.standing(db, one.id)

    async def overview(self) -> list[Overview]:
        """Every destination at one look."""
        async with self._pool.acquire() as db:
            return await self._table.overview(db)

    def thought_of(self, given: Mapping[str, Any]) -> Destination:
        """A destination as it would be, without making it."""
        return self._new(asked.asked(given, lines=self._lines))

    async def refusal(self, url: str) -> str | None:
        """Why deliveries may not go to a URL; None when they may."""
        return await self._guard.refusal(url)

    async def ping(self, one: Destination) -> Answer:
        """What a destination answers to a delivery that says nothing."""
        return await pings.sent(one, self._guard, log_id=self._log.log_id, now=self._clock())

    async def add(self, given: Mapping[str, Any], *, caller: str) -> Made:
        """A new destination; `from` (a position, or head) says where it begins. Raises NameTakenError."""
        wanted = asked.asked(
            {name: value for name, value in given.items() if name != "from"}, lines=self._lines
        )
        if why := await self._guard.refusal(wanted.url):
            raise NoDestinationError("url", f"one that deliveries may go to: {why}")
        return await self._add(wanted, after=await self._beginning(given.get("from", "head")), caller=caller)

    async def _add(self, wanted: asked.Asked, *, after: int, caller: str) -> Made:
        one = self._new(wanted)
        try:
            async with self._pool.acquire() as db, db.transaction():
                await self._table.add(db, one, after=after)
        except asyncpg.UniqueViolationError:
            raise NameTakenError from None
        await self._tell(one, "added", caller)
        return Made(one, one.secrets[0].value)

    def _new(self, wanted: asked.Asked) -> Destination:
        return Destination(
            id=uuid4(),
            name=wanted.name,
            url=wanted.url,
            format=wanted.format,
            filter=wanted.filter,
            state="active",
            reason=None,
            revision=1,
            created_at=self._clock(),
            secrets=(Secret(wanted.secret or _made(wanted.format)),),
            headers=wanted.headers,
        )

    async def apply(self, name: str, given: Mapping[str, Any]) -> None:
        """Have a destination as the settings say; its state, and where it stands, remain."""
        wanted = asked.asked({**given, "name": name}, lines=self._lines)
        known = await self.find(name)
        if known is None:
            with contextlib.suppress(NameTakenError):  # another gateway, which starts as well
                await self._add(wanted, after=await self._log.head(), caller=SETTINGS)
            return

        def changed(one: Destination) -> Destination:
            if one.secrets[0].value != wanted.secret and wanted.secret:
                one = self._with_secret(one, wanted.secret)
            return replace(one, url=wanted.url, headers=wanted.headers, filter=wanted.filter)

        if known.format != wanted.format:
            raise NoDestinationError("format", f"{known.format}, as it is: make another destination")
        await self._changed(known.id, changed, "changed", SETTINGS)

    def _with_secret(self, one: Destination, secret: str) -> Destination:
        now = self._clock()
        older = [Secret(old.value, old.until or now + OVERLAP) for old in one.secrets]
        valid = [old for old in older if old.until and now < old.until and old.value != secret]
        return replace(one, secrets=(Secret(secret), *valid[: MOST_SECRETS - 1]))

    async def _beginning(self, given: object) -> int:
        head = await self._log.head()
        if given == "head":
            return head
        if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= head + 1:
            raise NoDestinationError("from", f"head, or a position of the log from 1 to {head + 1}")
        return given - 1

    async def change(self, destination: UUID, given: Mapping[str, Any], *, caller: str) -> Destination | None:
        """Change some of name, url, filter, headers; None when there is no such destination."""
        asked.known(given, CHANGEABLE)
        if "url" in given and (why := await self._guard.refusal(asked.url(given["url"]))):
            raise NoDestinationError("url", f"one that deliveries may go to: {why}")

        def changed(one: Destination) -> Destination:
            return replace(
                one,
                name=asked.name(given.get("name", one.name)),
                url=given.get("url", one.url),
                headers=asked.headers(given.get("headers", one.headers)),
                filter=asked.wanted(given["filter"], one.format, self._lines)
                if "filter" in given
                else one.filter,
            )

        return await self._changed(destination, changed, "changed", caller)

    async def pause(self, destination: UUID, *, caller: str) -> Destination | None:
        """Deliver nothing until it is resumed."""
        return await self._changed(
            destination, lambda one: replace(one, state="paused", reason=None), "paused", caller
        )

    async def resume(self, destination: UUID, *, caller: str) -> Destination | None:
        """Go on where the deliveries stand, at once: what had to wait for its next try is tried now."""
        async with self._pool.acquire() as db, db.transaction():
            one = await self._table.one(db, destination, lock=True)
            if one is None:
                return None
            one = replace(one, state="active", reason=None, revision=one.revision + 1)
            await self._table.change(db, one)
            await self._table.hasten(db, destination, self._clock())
        await self._tell(one, "resumed", caller)
        return one

    async def stopped(self, one: Destination, state: State, reason: str) -> None:
        """Deliveries came to an end, unless the destination was changed meanwhile."""

        def changed(now: Destination) -> Destination:
            is_same = now.revision == one.revision
            return replace(now, state=state, reason=reason) if is_same else now

        get_logger().error("a destination gets nothing any more", destination=one.name, reason=reason)
        await self._changed(one.id, changed, state, None)

    async def rotate(self, destination: UUID, given: Mapping[str, Any], *, caller: str) -> Made | None:
        """Another secret; the one before still signs for a day where a delivery can have two signatures."""
        asked.known(given, ("secret",))
        secret = ""

        def rotated(one: Destination) -> Destination:
            nonlocal secret
            wanted = given.get("secret")
            secret = asked.secret(wanted, one.format) if wanted is not None else _made(one.format)
            return self._with_secret(one, secret)

        one = await self._changed(destination, rotated, "rotated", caller)
        return Made(one, secret) if one else None

    async def remove(self, destination: UUID, *, caller: str) -> bool:
        """Remove a destination with everything that waits for it; False when there is none."""
        async with self._pool.acquire() as db, db.transaction():
            one = await self._table.one(db, destination, lock=True)
            await self._table.remove(db, destination)
        if one is not None:
            await self._tell(one, "removed", caller)
        return one is not None

    async def redeliver(self, one: Destination, *, after: int, caller: str) -> int:
        """Deliver everything after a position again, in order; how many events are looked at."""
        head = await self._log.head()
        async with self._pool.acquire() as db, db.transaction():
            await self._table.one(db, one.id, lock=True)
            await self._table.go_back(db, one.id, after=after)
        await self._tell(one, "redelivered", caller, position=after + 1)
        return max(0, head - after)

    async def redeliver_failed(self, one: Destination, *, caller: str) -> int:
        """Try the dead letters again; how many there were."""
        async with self._pool.acquire() as db, db.transaction():
            await self._table.one(db, one.id, lock=True)
            count = await self._table.revive(db, one.id, self._clock())
        await self._tell(one, "redelivered", caller)
        return count

    async def before(self, at: datetime) -> int:
        """The last position that was recorded before a time; positions and times grow together."""
        low, high = 0, await self._log.head()
        while low < high:
            middle = (low + high + 1) // 2
            found = await self._log.after(middle - 1, 1)
            if found and (recorded := _recorded_at(found[0])) is not None and recorded < at:
                low = middle
            else:
                high = middle - 1
        return low

    async def _changed(
        self,
        destination: UUID,
        changed: Callable[[Destination], Destination],
        event: str,
        caller: str | None,
    ) -> Destination | None:
        try:
            async with self._pool.acquire() as db, db.transaction():
                one = await self._table.one(db, destination, lock=True)
                if one is None or (new := changed(one)) == one:
                    return one
                await self._table.change(db, new)
        except asyncpg.UniqueViolationError:
            raise NameTakenError from None
        new = replace(new, revision=new.revision + 1)
        await self._tell(new, event, caller)
        return new

    async def _tell(
        self, one: Destination, event: str, caller: str | None, *, position: int | None = None
    ) -> None:
        public = {
            "destination": str(one.id),
            "name": one.name,
            "event": event,
            "state": one.state,
            "reason": one.reason,
            "caller": caller,
            "position": position,
        }
        self.changed.set()
        told = {name: value for name, value in public.items() if value is not None}
        fact = Fact(DestinationChanged, None, Account("destinations"), uuid4(), self._clock(), told)
        try:
            await self._log.record([fact], patience=PATIENCE)
        except (NotTaken, InDoubt, *DATABASE_GONE) as error:
            # It is done, and a secret that was made is shown only now.
            get_logger().error(
                "a change of a destination is not in the log", event_name=event, error=type(error).__name__
            )


def _made(form: Format) -> str:
    """A secret as the format has it: WhatsApp's app secrets are 32 hexadecimal digits."""
    return random.token_hex(16) if form == "whatsapp" else signing.made_secret(random.token_bytes(32))


def _recorded_at(item: Recorded | Undecodable) -> datetime | None:
    return item.event.timestamp if isinstance(item, Recorded) else None
