"""The charge of each delivered message.

What is free by number and what costs less by number depends on what came before in the month, so messages
are priced in the order of (`at`, key), never in that of their arrival, from the first of a month on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from domain.billing.eras import Era, era_of
from domain.billing.markets import Market, market_of
from domain.billing.rates import EVER, Found, Rates, Span
from domain.values import value

SERVICE: Final = "service"
_FREE_IN_WINDOW: Final = frozenset({"free_customer_service", "free_group_customer_service"})
_NO_CATEGORY: Final = frozenset({"referral_conversion", "business_initiated", "general_purpose_ai"})
_SAME: Final[Mapping[str, str]] = {
    "marketing_lite": "marketing",
    "marketing_lite_dynamic": "marketing",
    "authentication_international": "authentication-international",
    "user_initiated": SERVICE,
}


@value
class Unit:
    """A message to one person, which is charged when it is delivered."""

    message_key: UUID
    participant: UUID
    at: int
    """Smallest time of delivered, read and played, in Unix seconds."""
    line: str | None = None
    prefix: str | None = None
    """What is recorded of the recipient's number (domain/markets.py)."""
    send_id: UUID | None = None
    """None: not a send of ours."""
    kind: str | None = None
    """free_form, template or direct_send; None where it is not ours."""
    type: str | None = None
    category: str | None = None
    """As it was when the send was dispatched."""
    template: str | None = None
    caller: str | None = None
    window_open: bool | None = None
    """Whether the window was open at the dispatch; None where it is not ours."""
    in_free_entry: bool = False
    """WhatsApp says of the message itself that a free entry point holds it."""
    pricing: Mapping[str, Any] | None = None
    """WhatsApp's own."""
    position: int = 0
    """Where the log begins to tell of it."""

    @property
    def order(self) -> tuple[int, UUID, UUID]:
        """What comes first, whenever it became known."""
        return self.at, self.message_key, self.participant

    @property
    def billable_whatsapp(self) -> bool | None:
        """Whether WhatsApp charges it by its own word; None without one."""
        pricing = self.pricing or {}
        if pricing.get("type") is None:
            billable = pricing.get("billable")
            return billable if isinstance(billable, bool) else None
        return pricing["type"] == "regular" and pricing.get("subtype") != "paid_exempt"


@value
class Charge:
    """What a unit costs, and why."""

    unit: Unit
    day: date
    """In the account's zone."""
    era: str
    market: Market | None
    category: str | None
    free_because: str | None
    """reaction, free_entry_point, paid_exempt, not_charged, window, free_tier or whatsapp."""
    billable: bool
    lacks: str | None = None
    """Why the cost is not known: market, category, rate or era."""
    found: Found | None = None

    @property
    def cost(self) -> Decimal | None:
        """Zero of what is free; None where it is not known."""
        if self.found is not None:
            return self.found.rate.rate
        return None if self.lacks else Decimal(0)


def price(units: Iterable[Unit], *, eras: Sequence[Era], rates: Rates, zone: tzinfo) -> Iterator[Charge]:
    """The charges of the units of whole months, in order."""
    pricer = Pricer(eras, rates, zone)
    return (pricer.charge(unit) for unit in sorted(units, key=lambda unit: unit.order))


def accrual(unit: Unit, *, eras: Sequence[Era], zone: tzinfo, prices: Span = EVER) -> Charge:
    """Where a unit that is not delivered yet belongs; it costs nothing so far."""
    day = datetime.fromtimestamp(unit.at, zone).date()
    terms = market_of(unit.prefix, prices.nearest(day)), category_of(unit)
    return Charge(unit, day, era_of(day, eras).name, *terms, free_because=None, billable=False)


class Pricer:
    """Prices units that are handed over in their order, from the first of a month on."""

    def __init__(self, eras: Sequence[Era], rates: Rates, zone: tzinfo, prices: Span = EVER) -> None:
        """`prices`: the days whose markets and prices count; of other days, those of the nearest."""
        self._prices = prices
        self._eras = eras
        self._rates = rates
        self._zone = zone
        self._charged: Counter[tuple[date, str, str]] = Counter()
        self._service: Counter[tuple[date, str | None]] = Counter()

    def charge(self, unit: Unit) -> Charge:
        """The next one."""
        day = datetime.fromtimestamp(unit.at, self._zone).date()
        era = era_of(day, self._eras)
        market, category = market_of(unit.prefix, self._prices.nearest(day)), category_of(unit)
        because = _free(unit, category, era)
        if because is None and category == SERVICE and era.free_service_messages:
            because = self._free_tier(unit, day, era)
        if because is not None:
            return Charge(unit, day, era.name, market, category, because, billable=False)
        if not era.priced:
            return Charge(unit, day, era.name, market, category, None, billable=False, lacks="era")
        lacks, found = self._found(market, category, day, era)
        return Charge(unit, day, era.name, market, category, None, billable=True, lacks=lacks, found=found)

    def needs_month(self, unit: Unit) -> bool:
        """Whether its charge depends on what came before it in its month."""
        day = datetime.fromtimestamp(unit.at, self._zone).date()
        era, category = era_of(day, self._eras), category_of(unit)
        market = market_of(unit.prefix, self._prices.nearest(day))
        if category == SERVICE and era.free_service_messages:
            return True
        charged_as = era.rate_of(category or "")
        if market is None or charged_as not in era.tiered:
            return False
        first = self._rates.find(market.name, str(charged_as), self._prices.nearest(day), 1)
        return first is not None and first.rate.upper is not None

    def _free_tier(self, unit: Unit, day: date, era: Era) -> str | None:
        month = (day.replace(day=1), unit.line)
        self._service[month] += 1
        return "free_tier" if self._service[month] <= era.free_service_messages else None

    def _found(
        self, market: Market | None, category: str | None, day: date, era: Era
    ) -> tuple[str | None, Found | None]:
        charged_as = era.rate_of(category or "")
        if charged_as is None:
            return "category", None
        if market is None:
            return "market", None
        rank, priced = self._rank(market.name, charged_as, day, era), self._prices.nearest(day)
        found = self._rates.find(market.name, charged_as, priced, rank)
        if found is None and charged_as in era.instead:
            found = self._rates.find(market.name, era.instead[charged_as], priced, 1)
        return (None, found) if found else ("rate", None)

    def _rank(self, market: str, charged_as: str, day: date, era: Era) -> int:
        if charged_as not in era.tiered:
            return 1
        self._charged[day.replace(day=1), market, charged_as] += 1
        return self._charged[day.replace(day=1), market, charged_as]


def category_of(unit: Unit) -> str | None:
    """The category that is charged: ours at dispatch, else WhatsApp's.

    Whether an authentication is international only WhatsApp knows.
    """
    told = plain_category((unit.pricing or {}).get("category"))
    ours = plain_category(unit.category) or (SERVICE if unit.kind == "free_form" else None)
    if ours in (None, "authentication") and told == "authentication-international":
        return told
    return ours or told


def plain_category(category: str | None) -> str | None:
    """WhatsApp's word for a category as one that is charged; None for none."""
    if category is None:
        return None
    word = category.lower().removeprefix("group_")
    return None if word in _NO_CATEGORY else _SAME.get(word, word)


def _free(unit: Unit, category: str | None, era: Era) -> str | None:
    """Why it is free, whatever else the month holds."""
    told = unit.pricing or {}
    if unit.type == "reaction":
        return "reaction"
    if unit.in_free_entry or told.get("type") == "free_entry_point":
        return "free_entry_point"
    if told.get("subtype") == "paid_exempt":
        return "paid_exempt"
    if category is None:
        return "whatsapp" if unit.billable_whatsapp is False else None
    if era.priced and era.rate_of(category) is None:
        return "not_charged" if category == SERVICE else None
    is_open = unit.window_open if unit.window_open is not None else told.get("type") in _FREE_IN_WINDOW
    return "window" if category in era.free_in_window and is_open else None
