"""The imported rate cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.billing.cards import Wrong, read, shipped
from domain.billing.rates import Card, Rates
from gateway.store.postgres import Pool
from projections.rows import Connection
from projections.sql import load


@dataclass(frozen=True, slots=True)
class Imported:
    """A card, and where it came from."""

    card: Card
    at: datetime
    by: str
    source: str
    """Name of its file."""
    withdrawn_at: datetime | None
    """It counts no more since."""
    withdrawn_by: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """The same rates were imported before."""

    card_id: str


class RateCards:
    """The table `rate_cards`."""

    def __init__(self, schema: str) -> None:
        """`schema`: the log's."""
        self._sql = load("gateway.store", "rate_cards.sql", schema)

    async def all(self, db: Connection) -> list[Imported]:
        """Every imported card, the oldest first, also those withdrawn."""
        return [
            Imported(
                _read(row["body"]),
                row["imported_at"],
                row["imported_by"],
                row["source"],
                row["withdrawn_at"],
                row["withdrawn_by"],
            )
            for row in await db.fetch(self._sql["all"])
        ]

    async def rates(self, db: Connection, currency: str, *, before: Card | None = None) -> Rates:
        """What costs how much: by the cards imported, then by those shipped; by `before` before them all."""
        return Rates(currency, [before] if before else [], await self._counting(db), shipped())

    async def check(self, pool: Pool, text: str, *, currency: str) -> Card | Known | Wrong:
        """What an import of the file would come to."""
        async with pool.acquire() as db:
            return self._checked(text, currency, await self._counting(db))

    async def add(
        self, pool: Pool, text: str, *, currency: str, source: str, by: str, now: datetime
    ) -> Card | Known | Wrong:
        """Import a whole file, or nothing of it."""
        async with pool.acquire() as db, db.transaction():
            await db.execute(self._sql["lock"])
            checked = self._checked(text, currency, await self._counting(db))
            if isinstance(checked, Card):
                await db.execute(self._sql["add"], checked.card_id, now, by, source, text)
            return checked

    async def withdraw(self, pool: Pool, card_id: str, *, by: str, now: datetime) -> bool:
        """Let a card count no more; False where no imported card that counts has this id."""
        return str(await pool.execute(self._sql["withdraw"], card_id, now, by)) == "UPDATE 1"

    async def _counting(self, db: Connection) -> list[Card]:
        return [one.card for one in await self.all(db) if one.withdrawn_at is None]

    def _checked(self, text: str, currency: str, others: Sequence[Card]) -> Card | Known | Wrong:
        checked = read(text, currency=currency)
        if isinstance(checked, Card) and any(one.card_id == checked.card_id for one in others):
            return Known(checked.card_id)
        return read(text, currency=currency, beside=others) if isinstance(checked, Card) else checked


def _read(body: str) -> Card:
    """A stored card was right when it was imported."""
    card = read(body)
    if isinstance(card, Wrong):
        raise ValueError("a stored rate card can't be read: " + "; ".join(card.problems))  # noqa: TRY004
    return card
