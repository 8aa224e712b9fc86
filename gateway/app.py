"""All wiring of a gateway, in one place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from domain.destinations.asked import NoDestinationError
from domain.openers import DEFAULT
from gateway import api, cloud, health, onprem, onprem_users, webhook
from gateway.auth import Keys
from gateway.deliveries.around import Surroundings
from gateway.deliveries.engine import Deliveries
from gateway.deliveries.guard import Guard, networks
from gateway.deliveries.leases import Leases
from gateway.deliveries.rendering import Rendering
from gateway.deliveries.turns import Turns
from gateway.destinations.destinations import Destinations
from gateway.gateway import GATEWAY, Clock, Gateway
from gateway.lives import Lives
from gateway.logs import get_logger
from gateway.metrics import Metrics
from gateway.middleware import in_dialect
from gateway.numbers import Numbers
from gateway.passing import media, onprem_media, passthrough
from gateway.replay import Where, change_over
from gateway.reports.billing import Bills
from gateway.retention import forget_old_content
from gateway.sends.recovery import Recovery
from gateway.sends.settler import Settler
from gateway.settings import Settings, SettingsError
from gateway.store.deliveries import CONNECTIONS, DeliveryTables
from gateway.store.log import Log
from gateway.store.migrate import migrate
from gateway.store.postgres import Pool, connect_pool
from gateway.store.tail import Tail
from gateway.template_sync import TemplateSync
from gateway.templates import Templates
from gateway.upstream import Upstream
from gateway.vault.fetch import Fetcher
from gateway.vault.place import store_of
from gateway.vault.sweep import Sweep
from gateway.vault.vault import Vault
from gateway.works import go_on
from projections import catalogue
from projections.counts import CountsProjection
from projections.delivery import Delivery
from projections.lines import Lines
from projections.messages_query import Messages
from projections.observed import ObservedProjection
from projections.refusals import Refusals
from projections.runner import Runner
from projections.templates import TemplatesProjection
from projections.window import WindowProjection

MAX_BODY: Final = 4 * 1024 * 1024
"""Bytes of a request: WhatsApp's callbacks have up to 3 MB."""
DRAIN: Final = 30.0
"""Seconds that a shutdown waits for sends that have left."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Databases:
    """Where the log is: the URL that serves and the one that migrates, and the keys that open it."""

    url: str
    admin_url: str
    master_keys: tuple[bytes, ...]


def create_app(settings: Settings, databases: Databases, *, clock: Clock = utc_now) -> web.Application:
    """A gateway as an aiohttp application; it opens at start-up and drains at clean-up."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[in_dialect])

    async def gateway(app: web.Application) -> AsyncIterator[None]:
        async with running(settings, databases, clock) as app[GATEWAY]:
            yield

    app.cleanup_ctx.append(gateway)
    app.on_shutdown.append(_end_streams)
    add_routes(app)
    return app


def add_routes(app: web.Application) -> None:
    """Every path of the outside contract."""
    app.router.add_get("/webhooks/whatsapp", webhook.verification)
    app.router.add_post("/webhooks/whatsapp", webhook.callback)
    app.router.add_post(cloud.MESSAGES, cloud.messages)
    app.router.add_post(cloud.MARKETING_MESSAGES, cloud.messages)
    app.router.add_post(cloud.VERSION + cloud.LENIENT, cloud.messages)
    app.router.add_post(cloud.LENIENT, cloud.messages)
    app.router.add_post("/v1/messages", onprem.messages)
    app.router.add_put(r"/v1/messages/{message_id:[\s\S]+}", onprem.read)
    app.router.add_post("/v1/contacts", onprem.contacts)
    app.router.add_post("/v1/users/login", onprem_users.login)
    app.router.add_post("/v1/users/logout", onprem_users.logout)
    app.router.add_get("/v1/health", health.gateway_status)
    app.router.add_post(onprem_media.COLLECTION, onprem_media.upload)
    app.router.add_get(onprem_media.ONE, onprem_media.fetch)
    app.router.add_delete(onprem_media.ONE, onprem_media.delete)
    app.router.add_route("*", r"/v1/{path:[\s\S]*}", onprem.not_served)
    app.router.add_get(media.PATH, media.download)
    app.router.add_route("*", passthrough.PATH, passthrough.pass_on)
    app.router.add_route("*", passthrough.UNVERSIONED, passthrough.pass_on)
    app.router.add_get("/live", health.live)
    app.router.add_get("/ready", health.ready)
    app.router.add_get("/metrics", health.metrics)
    api.add_routes(app)


@contextlib.asynccontextmanager
async def opened(settings: Settings, databases: Databases) -> AsyncIterator[tuple[Pool, Log]]:
    """The log, migrated, and connections to it; any number of processes may have it open."""
    schema = settings.schema_name
    await migrate(databases.admin_url, schema, serving_url=databases.url, extra_ddl=catalogue.ddl(schema))
    async with (
        connect_pool(databases.url, schema) as pool,
        Log.open(databases.url, pool, schema, master_keys=databases.master_keys) as log,
    ):
        await change_over(Where(pool, schema, databases.url, databases.admin_url))
        yield pool, log


@contextlib.asynccontextmanager
async def running(settings: Settings, databases: Databases, clock: Clock) -> AsyncIterator[Gateway]:
    """A gateway from migration to the last drained send."""
    schema = settings.schema_name
    async with contextlib.AsyncExitStack() as stack:
        pool, log = await stack.enter_async_context(opened(settings, databases))
        upstream = Upstream(settings.upstream_url, settings.token, timeout=settings.upstream_timeout)
        stack.push_async_callback(upstream.close)
        tail = await stack.enter_async_context(Tail.open(databases.url, pool, schema))
        guard = Guard(networks(settings.destinations_private))
        gateway = _made(settings, clock, pool, log, upstream, tail, guard)
        for name, given in settings.destination.items():
            await _apply(gateway.destinations, name, given)
        own = await stack.enter_async_context(connect_pool(databases.url, schema, size=CONNECTIONS))
        works = {**_works(gateway), "deliveries": _deliveries(gateway, own, guard).run}
        for name, work in works.items():
            stack.push_async_callback(_cancel, asyncio.create_task(go_on(name, work)))
        try:
            yield gateway
        finally:
            await _drain(gateway)


def _made(
    settings: Settings, clock: Clock, pool: Pool, log: Log, upstream: Upstream, tail: Tail, guard: Guard
) -> Gateway:
    """All parts of a gateway on what is open."""
    schema, timeout = settings.schema_name, settings.upstream_timeout
    metrics, messages, templates = Metrics(), Messages(schema), TemplatesProjection(schema)
    template_sync = TemplateSync(
        settings.waba,
        upstream=upstream,
        projection=templates,
        log=log,
        pool=pool,
        clock=clock,
        metrics=metrics,
    )
    store = store_of(settings)
    return Gateway(
        settings=settings,
        clock=clock,
        log=log,
        pool=pool,
        upstream=upstream,
        keys=Keys(settings.api_keys),
        windows=WindowProjection(schema),
        messages=messages,
        lives=Lives(pool, schema),
        counts=CountsProjection(schema),
        observed=ObservedProjection(schema),
        delivery=Delivery(schema),
        refusals=Refusals(schema),
        bills=Bills(pool, schema, currency=settings.currency, time_zone=settings.time_zone),
        lines=Lines(schema),
        templates=Templates(templates, log, pool, sync=template_sync),
        template_sync=template_sync,
        numbers=Numbers(upstream),
        runner=Runner(catalogue.projections(schema), pool, tail, schema=schema),
        tail=tail,
        settler=Settler(log, pool, messages, clock=clock, metrics=metrics, timeout=timeout),
        destinations=Destinations(log, pool, schema, clock=clock, guard=guard, lines=settings.lines),
        openers=DEFAULT.with_overrides(settings.openers),
        words=settings.words,
        metrics=metrics,
        vault=Vault(store, log, pool, schema) if store else None,
    )


def _works(gateway: Gateway) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """What goes on beside the answers."""
    log, clock = gateway.log, gateway.clock
    recovery = Recovery(
        log,
        gateway.pool,
        gateway.messages,
        upstream=gateway.upstream,
        clock=clock,
        metrics=gateway.metrics,
    )
    return {
        "projections": gateway.runner.run,
        "settler": partial(gateway.settler.run, gateway.tail),
        "recovery": recovery.run,
        "retention": partial(forget_old_content, log, clock, gateway.settings.retention_months),
        "templates": gateway.template_sync.run,
        **_works_of_media(gateway),
    }


async def _apply(destinations: Destinations, name: str, given: Mapping[str, Any]) -> None:
    try:
        await destinations.apply(name, given)
    except NoDestinationError as error:
        raise SettingsError([f"LEDGERLINE_DESTINATION: {name}.{error}"]) from None


def _deliveries(gateway: Gateway, pool: Pool, guard: Guard) -> Deliveries:
    tables = DeliveryTables(pool, gateway.settings.schema_name, owner=uuid4())
    around = Surroundings(
        tail=gateway.tail,
        tables=tables,
        leases=Leases(tables),
        turns=Turns(),
        rendering=Rendering(gateway.log, account=gateway.settings.waba or "0"),
        clock=gateway.clock,
        signing_clock=utc_now,
        count=lambda name, outcome: gateway.metrics.deliveries.labels(name, outcome).inc(),
    )
    return Deliveries(gateway.destinations, around, guard=guard)


def _works_of_media(gateway: Gateway) -> Mapping[str, Callable[[], Awaitable[None]]]:
    vault, clock, metrics = gateway.vault, gateway.clock, gateway.metrics
    if vault is None:
        return {}
    lines = gateway.settings.media_lines
    fetcher = Fetcher(lines, vault, upstream=gateway.upstream, clock=clock, metrics=metrics)
    sweep = Sweep(vault, clock=clock, metrics=metrics)
    return {"media": partial(fetcher.run, gateway.tail), "media sweep": sweep.run}


async def _end_streams(app: web.Application) -> None:
    """Streams have no end of their own, and a shutdown waits for every request."""
    for stream in app[GATEWAY].streams:
        stream.cancel()


async def _drain(gateway: Gateway) -> None:
    """Outcomes of sends that have left are recorded before the log closes."""
    if gateway.tasks:
        _, left = await asyncio.wait(gateway.tasks, timeout=DRAIN)
        if left:
            get_logger().error("stopped before every outcome was recorded", left=len(left))


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def databases_of(settings: Settings) -> Databases:
    """The databases of settings that name one."""
    if settings.database_url is None:
        raise ValueError("no LEDGERLINE_DATABASE_URL: the embedded server has to be started first")
    url = settings.database_url.get_secret_value()
    admin = settings.admin_database_url.get_secret_value() if settings.admin_database_url else url
    return Databases(url, admin, settings.master_keys)
