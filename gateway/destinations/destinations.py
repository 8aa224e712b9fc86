"""Make, change and remove destinations: by the API, on the command line, or from a file at the start."""

from __future__ import annotations

import contextlib
import secrets as random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from domain.destinations import asked, changing, signing
from domain.destinations.asked import NoDestinationError
from domain.destinations.model import Destination, Format, State
from gateway.deliveries import pings
from gateway.deliveries.guard import Guard
from gateway.deliveries.poster import Answer
from gateway.destinations.changes import Changes
from gateway.destinations.redelivery import Redelivery
from gateway.logs import get_logger
from gateway.store.destinations import DestinationTable, Overview, Standing
from gateway.store.log import Log
from gateway.store.postgres import Connection, Pool

SETTINGS: Final = "settings"


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
        self._table = DestinationTable(schema, log_id=log.log_id, masters=log.masters)
        self.changes = Changes(log, clock=clock)
        self.redelivery = Redelivery(log, pool, self._table, self.changes, clock=clock)

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

    async def head(self) -> int:
        """The last position of the log, towards which they all go."""
        return await self._log.head()

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

    async def ping(self, one: Destination, *, signed_at: datetime) -> Answer:
        """What a destination answers to a delivery that says nothing."""
        now = self._clock()
        return await pings.sent(one, self._guard, log_id=self._log.log_id, now=now, signed_at=signed_at)

    async def add(self, given: Mapping[str, Any], *, caller: str) -> Made:
        """A new destination; `from` (a position, or head) says where it begins. Raises NameTakenError."""
        asked.known(given, (*asked.FIELDS, "from"))
        wanted = asked.asked(
            {name: value for name, value in given.items() if name != "from"}, lines=self._lines
        )
        if why := await self._guard.refusal(wanted.url):
            raise NoDestinationError("url", f"one that deliveries may go to: {why}")
        return await self._add(wanted, after=await self._beginning(given.get("from", "head")), caller=caller)

    async def _beginning(self, given: object) -> int:
        head = await self._log.head()
        if given == "head":
            return head
        if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= head + 1:
            raise NoDestinationError("from", f"head, or a position of the log from 1 to {head + 1}")
        return given - 1

    async def _add(self, wanted: asked.Asked, *, after: int, caller: str) -> Made:
        one = self._new(wanted)
        try:
            async with self._pool.acquire() as db, db.transaction():
                await self._table.add(db, one, after=after)
        except asyncpg.UniqueViolationError:
            raise NameTakenError from None
        await self.changes.tell(one, "added", caller)
        return Made(one, one.secrets[0].value)

    def _new(self, wanted: asked.Asked) -> Destination:
        secret = wanted.secret or _made(wanted.format)
        return changing.new(wanted, destination=uuid4(), secret=secret, now=self._clock())

    async def apply(self, name: str, given: Mapping[str, Any]) -> None:
        """Have a destination as the settings say; its state, and where it stands, remain."""
        wanted = asked.asked({**given, "name": name}, lines=self._lines)
        known = await self.find(name)
        if known is None:
            with contextlib.suppress(NameTakenError):  # another gateway, which starts as well
                await self._add(wanted, after=await self._log.head(), caller=SETTINGS)
            return
        if known.format != wanted.format:
            raise NoDestinationError("format", f"{known.format}, as it is: make another destination")
        await self._changed(
            known.id, lambda one: changing.as_set(one, wanted, now=self._clock()), "changed", SETTINGS
        )

    async def change(self, destination: UUID, given: Mapping[str, Any], *, caller: str) -> Destination | None:
        """Change some of its CHANGEABLE fields; None when there is no such destination."""
        asked.known(given, changing.CHANGEABLE)
        if "url" in given and (why := await self._guard.refusal(asked.url(given["url"]))):
            raise NoDestinationError("url", f"one that deliveries may go to: {why}")
        return await self._changed(
            destination, lambda one: changing.changed(one, given, lines=self._lines), "changed", caller
        )

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
        await self.changes.tell(one, "resumed", caller)
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
            return changing.with_secret(one, secret, now=self._clock())

        one = await self._changed(destination, rotated, "rotated", caller)
        return Made(one, secret) if one else None

    async def remove(self, destination: UUID, *, caller: str) -> bool:
        """Remove a destination with everything that waits for it; False when there is none."""
        async with self._pool.acquire() as db, db.transaction():
            one = await self._table.one(db, destination, lock=True)
            await self._table.remove(db, destination)
        if one is not None:
            await self.changes.tell(one, "removed", caller)
        return one is not None

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
        await self.changes.tell(new, event, caller)
        return new


def _made(form: Format) -> str:
    """A secret as the format has it: WhatsApp's app secrets are 32 hexadecimal digits."""
    return random.token_hex(16) if form == "whatsapp" else signing.made_secret(random.token_bytes(32))
