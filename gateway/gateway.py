"""What a running gateway consists of; made in one place (gateway/app.py), handed to every handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from aiohttp import web

from domain.consent_words import ConsentWords
from domain.openers import Openers
from gateway.auth import Keys
from gateway.destinations.destinations import Destinations
from gateway.lives import Lives
from gateway.metrics import Metrics
from gateway.numbers import Numbers
from gateway.reports.billing import Bills
from gateway.sends.settler import Settler
from gateway.settings import Settings
from gateway.store.log import Log
from gateway.store.postgres import Pool
from gateway.store.tail import Tail
from gateway.template_sync import TemplateSync
from gateway.templates import Templates
from gateway.upstream import Upstream
from gateway.vault.vault import Vault
from projections.counts import CountsProjection
from projections.delivery import Delivery
from projections.lines import Lines
from projections.messages_query import Messages
from projections.observed import ObservedProjection
from projections.refusals import Refusals
from projections.runner import Runner
from projections.window import WindowProjection

T = TypeVar("T")
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Gateway:
    """One account, one log, one upstream."""

    settings: Settings
    clock: Clock
    log: Log
    pool: Pool
    upstream: Upstream
    keys: Keys
    windows: WindowProjection
    messages: Messages
    lives: Lives
    counts: CountsProjection
    observed: ObservedProjection
    delivery: Delivery
    refusals: Refusals
    bills: Bills
    lines: Lines
    templates: Templates
    template_sync: TemplateSync
    numbers: Numbers
    runner: Runner
    tail: Tail
    settler: Settler
    destinations: Destinations
    openers: Openers
    words: ConsentWords
    metrics: Metrics
    vault: Vault | None
    """None where no media is or was kept."""
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    streams: set[asyncio.Task[None]] = field(default_factory=set)
    """Open streams of the feed; they end as soon as a shutdown begins."""

    def keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` to its end even when its caller goes away; shutdown waits for it."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


GATEWAY: Final = web.AppKey("gateway", Gateway)
