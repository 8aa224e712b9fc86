"""`ledgerline report`: what the reports of the API tell, read from the database itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from domain.billing.analytics import Point, Told
from domain.billing.comparing import Comparison
from domain.billing.reconciling import Differences
from gateway.api import billing as billing_api
from gateway.api import delivery as delivery_api
from gateway.api import observed as observed_api
from gateway.api import open_windows as windows_api
from gateway.api import refusals as refusals_api
from gateway.api.reports import Asked, head
from gateway.reports import open_windows
from gateway.reports.as_of import position_of
from gateway.reports.billing import IN_FORCE, Bills, Terms
from gateway.reports.closing import Closing
from gateway.reports.filters import OF_MESSAGES, wanted
from gateway.settings import Settings
from gateway.store.postgres import Pool, Postgres
from gateway.store.tail import Tail
from projections import catalogue
from projections.delivery import Delivery
from projections.observed import ObservedProjection
from projections.refusals import Refusals
from projections.runner import Runner

Body = dict[str, Any]
R = TypeVar("R")


async def observed(pool: Pool, schema: str, asked: Asked) -> Body:
    """What GET /api/reports/observed answers at first."""
    return observed_api.shown(await _of_days(pool, schema, asked, ObservedProjection(schema).report), asked)


async def delivery(pool: Pool, schema: str, asked: Asked) -> Body:
    """What GET /api/reports/delivery answers."""
    return delivery_api.shown(await _of_days(pool, schema, asked, Delivery(schema).report), asked)


async def refusals(pool: Pool, schema: str, asked: Asked) -> Body:
    """What GET /api/reports/refusals answers."""
    return refusals_api.shown(await _of_days(pool, schema, asked, Refusals(schema).report), asked)


async def _of_days(pool: Pool, schema: str, asked: Asked, report: Callable[..., Awaitable[R]]) -> R:
    await caught_up(pool, schema)
    async with pool.acquire() as db:
        return await report(
            db,
            from_day=asked.from_day,
            to_day=asked.to_day,
            time_zone=asked.time_zone,
            line=asked.line,
        )


async def windows(pool: Pool, settings: Settings, *, now: datetime, hours: int, line: str | None) -> Body:
    """What GET /api/reports/windows answers, with every window that closes."""
    await caught_up(pool, settings.schema_name)
    async with pool.acquire() as db:
        found = await open_windows.report(db, settings, now=now, hours=hours, line=line)
    return windows_api.shown(found, found.closing)


async def billing(
    pool: Pool,
    settings: Settings,
    asked: Asked,
    groups: Sequence[str],
    *,
    as_of: str | None = None,
    terms: Terms = IN_FORCE,
) -> Body:
    """What GET /api/reports/billing answers; or would, by other terms. Raises NoPositionError."""
    await caught_up(pool, settings.schema_name)
    position = None if as_of is None else await position_of(as_of, Postgres(pool, settings.schema_name))
    bills = Bills(
        pool, settings.schema_name, currency=settings.currency, time_zone=settings.time_zone, terms=terms
    )
    return billing_api.shown(await bills.report(billing_api.days_of(asked), groups, as_of=position), asked)


async def charges(
    pool: Pool,
    settings: Settings,
    asked: Asked,
    where: Mapping[str, str],
    *,
    after: int,
    limit: int,
    as_of: str | None = None,
) -> Body:
    """What GET /api/reports/billing/messages answers. Raises NoPositionError and WrongFilterError."""
    is_wanted, bills = wanted(where, OF_MESSAGES), await _bills(pool, settings)
    position = None if as_of is None else await position_of(as_of, Postgres(pool, settings.schema_name))
    found_of, found = await bills.messages(
        billing_api.days_of(asked), is_wanted, after=after, limit=limit, as_of=position
    )
    about = {"currency": settings.currency, "messages": [billing_api.message(charge) for charge in found]}
    return head(found_of, asked) | about | {"next": after + len(found)}


async def closed(pool: Pool, settings: Settings, month: date, *, by: str, now: datetime) -> Body:
    """The bill of a month as it was closed, and what has changed since."""
    await caught_up(pool, settings.schema_name)
    closing = Closing(pool, settings.schema_name, currency=settings.currency, time_zone=settings.time_zone)
    return await closing.close(month, by=by, now=now)


async def reconciled(pool: Pool, settings: Settings, asked: Asked) -> Body:
    """Our charges against WhatsApp's pricing of each message."""
    bills, differences = await _bills(pool, settings), Differences()
    async with bills.reading(billing_api.days_of(asked)) as reading:
        async for charge in reading.charges():
            differences.see(charge)
    return head(reading.as_of, asked) | {"currency": settings.currency} | differences.shown()


async def compared(pool: Pool, settings: Settings, asked: Asked, told: Mapping[Told, Point]) -> Body:
    """Our charges against WhatsApp's pricing analytics; `outside`: messages that it tells of other days."""
    bills, days = await _bills(pool, settings), billing_api.days_of(asked)
    comparison = Comparison(_within(told, asked))
    async with bills.reading(days) as reading:
        async for charge in reading.charges():
            comparison.see(charge)
        if comparison.has_excess:
            async for charge in reading.charges():
                comparison.name(charge)
    if comparison.has_lost:
        comparison.miss(await bills.undelivered(days))
    outside = sum(point.volume for point in told.values()) - comparison.volume_told
    about = {"currency": settings.currency, "outside": outside}
    return head(reading.as_of, asked) | about | comparison.shown()


def _within(told: Mapping[Told, Point], asked: Asked) -> dict[Told, Point]:
    first, last = asked.from_day.isoformat(), asked.to_day.isoformat()
    return {key: value for key, value in told.items() if first <= key.day < last}


async def _bills(pool: Pool, settings: Settings) -> Bills:
    await caught_up(pool, settings.schema_name)
    return Bills(pool, settings.schema_name, currency=settings.currency, time_zone=settings.time_zone)


async def caught_up(pool: Pool, schema: str) -> None:
    """Bring the projections up to the head, gateway or not."""
    await Runner(catalogue.projections(schema), pool, Tail(pool, schema), schema=schema).catch_up()
