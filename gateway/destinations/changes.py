"""Tell the log, and whoever delivers here, what became of a destination."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import uuid4

from domain.destinations.model import Destination
from domain.events import DestinationChanged
from domain.facts import Account, Fact
from gateway.logs import get_logger
from gateway.store.log import Log
from gateway.store.outcomes import InDoubt, NotTaken
from gateway.store.postgres import DATABASE_GONE

PATIENCE: Final = 5.0


class Changes:
    """What was changed in this process; the changes of others are seen when somebody looks."""

    def __init__(self, log: Log, *, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock
        self.happened = asyncio.Event()
        """Set with every change."""

    async def tell(
        self, one: Destination, event: str, caller: str | None, *, position: int | None = None
    ) -> None:
        """Record a change that is done."""
        public = {
            "destination": str(one.id),
            "name": one.name,
            "event": event,
            "state": one.state,
            "reason": one.reason,
            "caller": caller,
            "position": position,
        }
        self.happened.set()
        told = {name: value for name, value in public.items() if value is not None}
        fact = Fact(DestinationChanged, None, Account("destinations"), uuid4(), self._clock(), told)
        try:
            await self._log.record([fact], patience=PATIENCE)
        except (NotTaken, InDoubt, *DATABASE_GONE) as error:
            # It is done, and a secret that was made is shown only now.
            get_logger().error(
                "a change of a destination is not in the log", event_name=event, error=type(error).__name__
            )
