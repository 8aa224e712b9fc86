"""What was delivered and what it costs: counted when asked, as of any position of the log."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.billing.eras import Era, eras
from domain.billing.pricing import SERVICE, Charge, Pricer, Unit, accrual, category_of
from domain.billing.rates import EVER, Card
from domain.billing.tally import Tally, money
from gateway.reports.standing import Standing, Standings
from gateway.store.postgres import Pool
from gateway.store.rate_cards import RateCards
from projections.billing import Span
from projections.rows import Connection


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the account's zone, `ends` exclusive, and a line; None: all lines."""

    begins: date
    ends: date
    line: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is supposed instead of the terms and prices that were in force."""

    eras: Sequence[Era] | None = None
    card: Card | None = None
    """Its rates come before all others, its first and last days' also for days before and after them."""


IN_FORCE: Final = Terms()


@dataclass(frozen=True, slots=True)
class Reading:
    """Charges in order, the same ones however often they are read."""

    as_of: int
    charges: Callable[[], AsyncGenerator[Charge, None]]


class Bills:
    """The billing report of one account."""

    def __init__(
        self, pool: Pool, schema: str, *, currency: str, time_zone: str, terms: Terms = IN_FORCE
    ) -> None:
        """`schema`: the log's; `time_zone`: IANA."""
        self._eras = terms.eras or eras()
        self._supposed = terms.card
        self._prices = terms.card.span if terms.card else EVER
        self._currency = currency
        self._zone = ZoneInfo(time_zone)
        self._cards = RateCards(schema)
        self._standings = Standings(pool, schema)

    async def report(self, days: Days, groups: Sequence[str], *, as_of: int | None = None) -> dict[str, Any]:
        """The report, as of now or of an older position; `groups` of domain/billing/tally.py."""
        tally = Tally(groups)
        async with self._standings.at(as_of) as standing:
            async for charge in self._charges(standing, days):
                tally.add(charge)
            span = self._span(days)
            for unit, messages in await standing.billing.accrued(standing.db, span, self._zone.key):
                if days.line in (None, unit.line):
                    tally.accrue(self._accrual(unit), messages)
        about = {"as_of": standing.as_of, "currency": self._currency, "unread": standing.unread}
        return about | tally.shown()

    async def messages(
        self, days: Days, wanted: Callable[[Charge], bool], *, after: int, limit: int, as_of: int | None
    ) -> tuple[int, list[Charge]]:
        """The charges behind a figure, in order, from behind the first `after` of them; and as of where."""
        async with self._standings.at(as_of) as standing:
            return standing.as_of, await _page(self._charges(standing, days), wanted, after, limit)

    async def sends(
        self, days: Days, wanted: Callable[[Charge], bool], *, after: int, limit: int, as_of: int | None
    ) -> tuple[int, list[Charge]]:
        """The sends that `accrued` counts, in the same way."""
        async with self._standings.at(as_of) as standing:
            return standing.as_of, await _page(self._accruals(standing, days), wanted, after, limit)

    @contextlib.asynccontextmanager
    async def reading(self, days: Days) -> AsyncIterator[Reading]:
        """The charges of the days, for as long as it is open."""
        async with self._standings.at(None) as standing:
            yield Reading(standing.as_of, lambda: self._charges(standing, days))

    async def undelivered(self, days: Days) -> list[Charge]:
        """Sends that WhatsApp took in the days, not known to have been delivered or to have failed."""
        async with self._standings.at(None) as standing:
            units = await standing.billing.undelivered(standing.db, self._span(days))
        return [self._accrual(unit) for unit in units]

    async def of_messages(self, keys: Sequence[UUID]) -> list[Charge]:
        """The charges of some messages, as far as they are delivered and the tables are."""
        async with self._standings.at(None) as standing:
            db, billing = standing.db, standing.billing
            span = await billing.delivered(db, keys)
            if span is None:
                return []
            pricer = await self._pricer(db)
            units = [unit async for unit in billing.units(db, span, keys=keys)]
            if not any(pricer.needs_month(unit) for unit in units):
                return [pricer.charge(unit) for unit in units]
            month = Span(self._second(self._day(span.begins).replace(day=1)), span.ends)
            line = units[0].line if all(category_of(unit) == SERVICE for unit in units) else None
            charges = [pricer.charge(unit) async for unit in billing.units(db, month, service_of=line)]
            return [charge for charge in charges if charge.unit.message_key in keys]

    async def _charges(self, standing: Standing, days: Days) -> AsyncGenerator[Charge, None]:
        """Those of the days and the line; priced from the first of the month on, over all lines."""
        span = Span(self._second(days.begins.replace(day=1)), self._second(days.ends))
        pricer = await self._pricer(standing.db)
        async for unit in standing.billing.units(standing.db, span):
            charge = pricer.charge(unit)
            if charge.day >= days.begins and days.line in (None, unit.line):
                yield charge

    async def _accruals(self, standing: Standing, days: Days) -> AsyncGenerator[Charge, None]:
        async for unit in standing.billing.taken(standing.db, self._span(days)):
            if days.line in (None, unit.line):
                yield self._accrual(unit)

    async def _pricer(self, db: Connection) -> Pricer:
        rates = await self._cards.rates(db, self._currency, before=self._supposed)
        return Pricer(self._eras, rates, self._zone, self._prices)

    def _accrual(self, unit: Unit) -> Charge:
        return accrual(unit, eras=self._eras, zone=self._zone, prices=self._prices)

    def _span(self, days: Days) -> Span:
        return Span(self._second(days.begins), self._second(days.ends))

    def _second(self, day: date) -> int:
        return int(datetime.combine(day, time.min, self._zone).timestamp())

    def _day(self, second: int) -> date:
        return datetime.fromtimestamp(second, self._zone).date()


async def _page(
    charges: AsyncGenerator[Charge, None], wanted: Callable[[Charge], bool], after: int, limit: int
) -> list[Charge]:
    found: list[Charge] = []
    passed = 0
    async with contextlib.aclosing(charges):
        async for charge in charges:
            if wanted(charge):
                passed += 1
                found += [charge] if passed > after else []
                if len(found) == limit:
                    break
    return found


def shown(charge: Charge) -> Mapping[str, Any]:
    """What a charge says beside its message."""
    rate = charge.found.rate.rate if charge.found else None
    return {
        "market": charge.market.name if charge.market else None,
        "category": charge.category,
        "billable": charge.billable,
        "free_because": charge.free_because,
        "rate": None if rate is None else money(rate),
        "cost": None if charge.cost is None else money(charge.cost),
        "estimated": charge.market is not None and charge.market.estimated,
    }
