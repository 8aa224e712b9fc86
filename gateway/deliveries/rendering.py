"""What is posted for an event, made once for all destinations of a format.

Whoever asks while others are served waits for the next round: one look at the keys serves them all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag

from domain.destinations import cloudevents, whatsapp
from domain.destinations.model import Format
from domain.events import Event, Recorded, StatusReceived
from domain.sends import decision_key
from gateway import errors
from gateway.api import views
from gateway.logs import get_logger, where
from gateway.store.log import Log

KEPT: Final = 30.0
"""Seconds that a body may be used after it was made: it holds personal data, whose key may go."""
REMEMBERED: Final = 2_000
AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a delivery."""

    content_type: str
    data: bytes


class Nothing(Enum):
    """Why there is nothing to send."""

    GONE = auto()
    """Its content can't be read any more: the person was forgotten."""
    NO_ITEM = auto()
    """No callback of WhatsApp's brought it, so there is none to send on."""


Rendered = Body | Nothing


@dataclass(frozen=True, slots=True)
class _Job:
    form: Format
    event: Recorded
    made: asyncio.Future[Rendered]


class Rendering:
    """The bodies of one log's events."""

    def __init__(self, log: Log, *, account: str) -> None:
        """`account`: the WABA, for what was recorded before places were kept."""
        self._log = log
        self._account = account
        self._known: dict[tuple[Format, int], tuple[float, asyncio.Future[Rendered]]] = {}
        self._waiting: list[_Job] = []
        self._work: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Make nothing more."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])

    async def of(self, form: Format, event: Recorded) -> Rendered:
        """The body of an event. Raises what the database raises."""
        key, now = (form, event.position), time.monotonic()
        at, made = self._known.get(key, (0.0, None))
        if made is None or now - at > KEPT:
            made = asyncio.get_running_loop().create_future()
            self._known[key] = now, made
            self._waiting.append(_Job(form, event, made))
            self._forget(now)
            if self._work is None:
                self._work = asyncio.create_task(self._serve())
        return await asyncio.shield(made)

    def _forget(self, now: float) -> None:
        many = 2 if len(self._known) <= REMEMBERED else 200
        for key, (at, made) in list(islice(self._known.items(), many)):
            if now - at > KEPT or (len(self._known) > REMEMBERED and made.done()):
                del self._known[key]

    async def _serve(self) -> None:
        try:
            while jobs := self._waiting[:AT_ONCE]:
                del self._waiting[:AT_ONCE]
                await self._round(jobs)
        finally:
            self._work = None

    async def _round(self, jobs: Sequence[_Job]) -> None:
        try:
            bodies = await self._made(jobs)
        except Exception as error:  # noqa: BLE001 - whoever asked decides
            for job in jobs:
                self._known.pop((job.form, job.event.position), None)
                if not job.made.done():
                    job.made.set_exception(error)
                    job.made.exception()  # whoever waited may be gone
            return
        for job, body in zip(jobs, bodies, strict=True):
            if not job.made.done():
                job.made.set_result(body)

    async def _made(self, jobs: Sequence[_Job]) -> list[Rendered]:
        contents = await self._opened([job.event.event for job in jobs])
        owns = await self._own_data(jobs)
        return [self._body(job, content, owns) for job, content in zip(jobs, contents, strict=True)]

    async def _opened(self, events: Sequence[Event]) -> list[dict[str, Any] | Nothing | None]:
        """The content of each; what was changed in the log must not stop what stands beside it."""
        try:
            return [*await self._log.opened(events)]
        except InvalidTag:
            if len(events) > 1:
                return [content for event in events for content in await self._opened([event])]
        get_logger().error("an event was changed in the log, and is not delivered", key=events[0].key)
        return [Nothing.GONE]

    def _body(self, job: _Job, content: dict[str, Any] | Nothing | None, owns: dict[str, str]) -> Rendered:
        """One event that can't be written must not stop those behind it."""
        if isinstance(content, Nothing):
            return content
        try:
            if job.form == "whatsapp":
                return self._whatsapp(job.event, content, owns)
            return self._events(job.event, content)
        except Exception as error:  # noqa: BLE001 - a mistake of ours, in this one event
            get_logger().error(
                "an event can't be written for delivery",
                position=job.event.position,
                error=type(error).__name__,
                where=where(error),
            )
            return Nothing.GONE

    async def _own_data(self, jobs: Sequence[_Job]) -> dict[str, str]:
        """The callers' own callback data, by send."""
        sends = {
            job.event.event.send_id
            for job in jobs
            if job.form == "whatsapp" and isinstance(job.event.event, StatusReceived)
        }
        keys = {decision_key(self._log.ids, UUID(send_id)): send_id for send_id in sends if send_id}
        found = await self._log.by_keys([*keys]) if keys else {}
        contents = await self._opened([one.event for one in found.values()])
        own: dict[str, str] = {}
        for key, content in zip(found, contents, strict=True):
            if isinstance(content, dict) and content.get("callback_data") is not None:
                own[keys[key]] = content["callback_data"]
        return own

    def _whatsapp(self, recorded: Recorded, content: dict[str, Any] | None, owns: dict[str, str]) -> Rendered:
        event = recorded.event
        if content is None and event.sealed is not None:
            return Nothing.GONE
        if content is None or not whatsapp.has_item(content, event):
            return Nothing.NO_ITEM
        own = owns.get(getattr(event, "send_id", None) or "")
        return Body("application/json", whatsapp.body(event, content, account=self._account, restored=own))

    def _events(self, recorded: Recorded, content: dict[str, Any] | None) -> Rendered:
        view = views.with_content(views.event(recorded), recorded, content)
        enveloped = cloudevents.enveloped(view, log_id=self._log.log_id, event_id=recorded.event.key)
        return Body(cloudevents.CONTENT_TYPE, errors.written(enveloped))
