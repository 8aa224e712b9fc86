"""A gateway of this release on a schema that an older one made."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest
from running import started, until

from gateway.store.migrate import migrate
from gateway.store.rate_cards import RateCards
from gateway.vault import fetch
from projections.sql import load

CARD = """market,category,tier,rate,currency,valid_from,valid_to
United Kingdom,marketing,,0.0635,USD,2026-01-01,
"""


async def as_it_was(url: str, last: int) -> None:
    """The schema up to this migration, with a rate card in it."""
    sql = load("gateway.store", "migrate.sql", "ledgerline")
    found = sorted((files("gateway.store") / "migrations").iterdir(), key=lambda file: file.name)
    admin = await asyncpg.connect(url)
    try:
        await admin.execute(sql["begin"])
        for file in found[:last]:
            await admin.execute(file.read_text(encoding="utf-8").replace("{schema}", "ledgerline"))
            await admin.execute(sql["record"], int(file.name[:4]), file.name[5:-4])
        await admin.execute(
            "insert into ledgerline.rate_cards (card_id, imported_at, imported_by, source, body)"
            " values ('a', now(), 'ops', 'x.csv', $1)",
            CARD,
        )
    finally:
        await admin.close()


async def test_a_schema_of_0004_gets_vault_destinations_and_withdrawals(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "PAUSES", ())
    await as_it_was(empty_database, 4)
    async with started(empty_database, tmp_path, keep_media=True, vault=str(tmp_path / "media")) as running:
        assert await running.get("/api/destinations") == (200, {"destinations": []})

        await running.writes(type="image", image={"id": "9999999999999999", "mime_type": "image/png"})
        assert await until(lambda: running.events("MediaLost"))

        cards, pool, now = RateCards("ledgerline"), running.gateway.pool, running.gateway.clock()
        assert await cards.withdraw(pool, "a", by="ops", now=now)
        async with pool.acquire() as db:
            [card] = await cards.all(db)
        assert (card.card.text, card.withdrawn_at) == (CARD, now)
    await migrate(empty_database, "ledgerline")
