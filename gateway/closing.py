"""Closing a month: what its bill was then, and what has changed since."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import orjson

from domain.billing.adjusting import BY, adjustment
from gateway.api.views import moment
from gateway.billing import Bills, Days
from gateway.store.postgres import Pool
from projections.sql import load


async def closed(
    pool: Pool, schema: str, bills: Bills, *, currency: str, month: date, by: str, now: datetime
) -> dict[str, Any]:
    """The bill of a month as it was closed, by this call or an earlier one, and its adjustment up to now."""
    sql = load("gateway.store", "closed_months.sql", schema)
    name, present = f"{month:%Y-%m}", await bills.report(Days(month, following(month)), BY)
    text = orjson.dumps(present).decode()
    await pool.execute(sql["add"], name, currency, present["as_of"], now, by, text)
    [found] = await pool.fetch(sql["one"], name, currency)
    noted = orjson.loads(found["report"])
    return {
        "month": name,
        "currency": currency,
        "closed_at": moment(found["closed_at"]),
        "closed_by": found["closed_by"],
        "closed_as_of": found["position"],
        "as_of": present["as_of"],
        "totals": noted["totals"],
        "rows": adjustment(noted["rows"], present["rows"]),
    }


def following(month: date) -> date:
    """The first day of the next month."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
