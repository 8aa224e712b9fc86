"""Closing a month: what its bill was then, and what has changed since."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import orjson

from domain.billing.adjusting import BY, adjustment, total
from gateway.api.views import moment
from gateway.reports.billing import Bills, Days
from gateway.store.postgres import Pool
from projections.sql import load


class Closing:
    """The closed months of a log."""

    def __init__(self, pool: Pool, schema: str, *, currency: str, time_zone: str) -> None:
        """`time_zone`: IANA; a month that was closed in another one stays in it."""
        self._pool = pool
        self._schema = schema
        self._currency = currency
        self._time_zone = time_zone
        self._sql = load("gateway.reports", "closed_months.sql", schema)

    async def close(self, month: date, *, by: str, now: datetime) -> dict[str, Any]:
        """The bill as it was closed, by this call or an earlier one, and its adjustment up to now."""
        name, zone = f"{month:%Y-%m}", self._time_zone
        for found in await self._pool.fetch(self._sql["one"], name, self._currency):
            zone = orjson.loads(found["report"]).get("time_zone", zone)
        present = await self._bill(month, zone)
        text = orjson.dumps(present).decode()
        await self._pool.execute(self._sql["add"], name, self._currency, present["as_of"], now, by, text)
        [found] = await self._pool.fetch(self._sql["one"], name, self._currency)
        bill = orjson.loads(found["report"])
        rows = adjustment(bill["rows"], present["rows"])
        return {
            "month": name,
            "currency": self._currency,
            "time_zone": zone,
            "closed_at": moment(found["closed_at"]),
            "closed_by": found["closed_by"],
            "closed_as_of": found["position"],
            "as_of": present["as_of"],
            "totals": bill["totals"],
            "bill": bill,
            "rows": rows,
            "adjustment": total(rows),
        }

    async def _bill(self, month: date, zone: str) -> dict[str, Any]:
        bills = Bills(self._pool, self._schema, currency=self._currency, time_zone=zone)
        return {"time_zone": zone} | await bills.report(Days(month, following(month)), BY)


def following(month: date) -> date:
    """The first day of the next month."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
