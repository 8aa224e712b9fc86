from __future__ import annotations

from typing import Any

from histories import NOW, log_of, made
from logs import MemoryLog, project

from domain.events import TemplateChanged
from gateway.store.postgres import Pool


def changed(at: int, **public: Any) -> TemplateChanged:
    known = {"account": "waba", "name": "receipt", "language": "en", "event": "update"}
    return made(TemplateChanged, at_used=at, **(known | public))


async def test_the_newest_word_about_each_property_of_a_template_wins(pool: Pool) -> None:
    history = [
        changed(NOW + 2, status="APPROVED"),
        changed(NOW, status="REJECTED", reason="INVALID_FORMAT"),
        changed(NOW + 1, category="MARKETING"),
        changed(NOW, category="UTILITY", quality="GREEN"),
        changed(NOW, language="de", status="PAUSED", reason="LOW_QUALITY"),
    ]
    await project(pool, MemoryLog(log_of(history)))

    select = "select language, status, reason, category, quality from ledgerline.templates order by 1"
    assert [tuple(row) for row in await pool.fetch(select)] == [
        ("de", "PAUSED", "LOW_QUALITY", None, None),
        ("en", "APPROVED", None, "MARKETING", "GREEN"),
    ]


async def test_of_two_words_at_one_time_the_larger_key_wins(pool: Pool) -> None:
    history = [changed(NOW, key="b", status="PAUSED"), changed(NOW, key="a", status="APPROVED")]
    await project(pool, MemoryLog(log_of(history)))

    assert await pool.fetchval("select status from ledgerline.templates") == "PAUSED"
