"""History made for benchmarks is as a gateway would have recorded it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from benchmarks.history.episodes import Shard
from benchmarks.history.loading import Where, load
from benchmarks.history.plan import DAYS, SHARDS, Plan
from domain.billing import markets
from domain.events import (
    AccountNoticeReceived,
    CallReceived,
    ConsentChanged,
    IdentityLinked,
    LineChanged,
    MessageReceived,
    Recorded,
    SendAccepted,
    SendDispatched,
    SendFailed,
    SendRefused,
    SendRequested,
    SendSettled,
    SendUnknown,
    StatusReceived,
    TemplateChanged,
    UnrecognisedReceived,
)
from domain.facts import Fact
from gateway.store.log import Log
from gateway.store.migrate import migrate
from gateway.store.postgres import connect_pool
from gateway.verification.verify import verify
from projections import catalogue

PLAN = Plan(6_000)
EVENTS = {
    *(MessageReceived, StatusReceived, CallReceived, ConsentChanged),
    *(SendRequested, SendRefused, SendDispatched, SendAccepted, SendFailed, SendUnknown, SendSettled),
    *(TemplateChanged, LineChanged, AccountNoticeReceived, UnrecognisedReceived),
}
MASTER_KEY = b"h" * 32


def _facts(plan: Plan, nth: int) -> Iterable[Fact]:
    shard, seen = Shard(plan, nth), set()
    for fact in shard.facts():
        yield fact
        seen.add(fact.key)
        if len(seen) >= plan.share:
            shard.end()


@pytest.fixture(scope="module")
def told() -> list[Fact]:
    return list(chain.from_iterable(_facts(PLAN, nth) for nth in range(SHARDS)))


def test_the_same_seed_makes_the_same_history_and_another_one_another() -> None:
    once = list(_facts(PLAN, 1))

    assert list(_facts(PLAN, 1)) == once
    assert list(_facts(replace(PLAN, seed=8), 1)) != once


def test_it_holds_every_topic_that_callbacks_and_sends_make(told: list[Fact]) -> None:
    assert {fact.event for fact in told} == EVENTS


def test_it_holds_every_market_category_kind_of_price_and_type(told: list[Fact]) -> None:
    day = datetime(2026, 11, 1, tzinfo=UTC).date()
    found = {market.name for fact in told if (market := markets.market_of(fact.public.get("market"), day))}
    prices = [fact.public["pricing"] for fact in told if fact.public.get("pricing")]
    types = {fact.public.get("type") for fact in told}

    assert found == markets.names()
    assert {price["category"] for price in prices} >= {
        "marketing",
        "marketing_lite",
        "utility",
        "authentication",
        "authentication_international",
        "service",
        "referral_conversion",
        "group_service",
    }
    assert {price["type"] for price in prices} == {"regular", "free_customer_service", "free_entry_point"}
    assert types >= {"text", "image", "template", "interactive", "order", "reaction", "edit", "system"}
    assert {fact.public.get("source") for fact in told} >= {"live", "echo", "history", "standby", "keyword"}


def test_callbacks_come_again_and_statuses_before_what_they_follow(told: list[Fact]) -> None:
    times: dict[object, list[datetime]] = {}
    for fact in told:
        times.setdefault(fact.key, []).append(fact.recorded_at)
    late = [max(found) - min(found) for found in times.values() if len(found) > 1]
    seen: Counter[str] = Counter()
    accepted, delivered = set(), set()
    for fact in told:
        key, word = fact.public.get("message_key"), fact.public.get("status")
        seen["before the answer"] += bool(word and fact.public.get("send_id") and key not in accepted)
        seen["read first"] += word == "read" and key not in delivered
        if fact.event.TOPIC == "SendAccepted":
            accepted.add(key)
        if word == "delivered":
            delivered.add(key)

    assert timedelta(days=7, hours=1) > max(late) > timedelta(days=1) > timedelta(minutes=1) > min(late)
    assert seen["before the answer"] > 10
    assert seen["read first"] > 10


def test_a_few_conversations_hold_much_and_months_go_by(told: list[Fact]) -> None:
    whose = Counter((fact.line, str(fact.subject)) for fact in told).most_common()
    held = sum(amount for _, amount in whose[: len(whose) // 10])

    assert held > len(told) / 5
    assert {fact.recorded_at.month for fact in told} >= {5, 6, 7, 8, 9, 10}
    assert max(fact.recorded_at for fact in told) - min(fact.recorded_at for fact in told) < timedelta(
        days=2 * DAYS
    )


@pytest.mark.timeout(300)
async def test_a_loaded_log_is_sound_and_opens(database: str) -> None:
    await migrate(database, "ledgerline", extra_ddl=catalogue.ddl("ledgerline"))
    said: list[str] = []

    made = await load(Where(database, "ledgerline", [MASTER_KEY]), PLAN, say=said.append)

    async with connect_pool(database, "ledgerline") as pool:
        now, patience = datetime.now(UTC), timedelta(minutes=10)
        async with Log.open(database, pool, "ledgerline", master_keys=[MASTER_KEY]) as log:
            events = [item.event for item in await log.after(0, made) if isinstance(item, Recorded)]
            contents = await log.opened(events)
            assert await log.head() == made == len(events)
    assert PLAN.events <= made < PLAN.events + 100
    assert {type(event) for event in events} == EVENTS | {IdentityLinked}
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
    assert [content is None for content in contents] == [event.sealed is None for event in events]
    async with connect_pool(database, "ledgerline", size=1) as pool:
        assert await verify(pool, "ledgerline", now=now, patience=patience, say=said.append) == 0, said
