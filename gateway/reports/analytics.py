"""WhatsApp's pricing analytics, asked for day by day (windows and pricing, section 9)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import orjson

from domain.billing.analytics import Point, Told, merged, read
from gateway.api.reports import Asked
from gateway.upstream import GRAPH_VERSION, Answered, Upstream

# Half hours, because nobody says in which zone WhatsApp's days begin.
_FIELDS: Final = (
    "pricing_analytics.start({start}).end({end}).granularity(HALF_HOUR)"
    ".metric_types(COST,VOLUME).dimensions(COUNTRY,PRICING_CATEGORY,PRICING_TYPE)"
)


class NoAnalyticsError(Exception):
    """WhatsApp gave no analytics; the text quotes nothing of its answer."""


async def fetched(upstream: Upstream, account: str, asked: Asked, *, now: datetime) -> dict[Told, Point]:
    """The account's analytics of the days, as far as they have begun. Raises NoAnalyticsError."""
    zone = ZoneInfo(asked.time_zone)
    last = min(asked.to_day, now.astimezone(zone).date() + timedelta(days=1))
    days = [asked.from_day + timedelta(days=n) for n in range((last - asked.from_day).days)]
    return merged([await _of_day(upstream, account, day, zone) for day in days])


async def _of_day(upstream: Upstream, account: str, day: date, zone: ZoneInfo) -> dict[Told, Point]:
    start, end = (
        int(datetime.combine(one, time.min, zone).timestamp()) for one in (day, day + timedelta(days=1))
    )
    asked = {"fields": _FIELDS.format(start=start, end=end)}
    match await upstream.get(f"{GRAPH_VERSION}/{account}", asked):
        case Answered(status=200, body=body):
            try:
                return read(body, zone)
            except ValueError as error:
                raise NoAnalyticsError(f"WhatsApp's analytics of {day} can't be read: {error}") from None
        case Answered(status=status, body=body):
            raise NoAnalyticsError(
                f"WhatsApp answered HTTP {status}, code {_code(body)}, when asked for the analytics of {day}"
            )
        case outcome:
            raise NoAnalyticsError(f"WhatsApp did not answer ({outcome.cause})")


def _code(body: bytes) -> int | str:
    try:
        code = orjson.loads(body)["error"]["code"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "none"
    return code if isinstance(code, int) else "none"
