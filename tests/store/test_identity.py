"""Whose a fact is, as WhatsApp's items name the same people in different ways."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opened import LINE, PATIENCE, facts, opened, text

from domain.events import IdentityLinked, Recorded
from domain.facts import Fact, Person
from gateway.store.log import Log
from gateway.store.postgres import Pool

PHONE = "447700900123"
BSUID = "GB.13491208655302741918"
STRANGER = "447700900456"


async def meet(log: Log, number: int, **who: str) -> UUID:
    """Record a message; returns the stream it went to."""
    (recording,) = await log.record(facts(log, text(number, **who)), patience=PATIENCE)
    (one,) = await log.events_at([recording.position])
    assert isinstance(one, Recorded)
    return one.event.originator_id


async def streams(log: Log, contact: str) -> tuple[UUID, ...]:
    conversation = await log.conversation(LINE, contact)
    return () if conversation is None else conversation.streams


async def links(log: Log) -> list[IdentityLinked]:
    events = await log.after(0, 1000)
    return [one.event for one in events if isinstance(one, Recorded) and type(one.event) is IdentityLinked]


@pytest.mark.parametrize("older", ["from_", "from_user_id"])
async def test_an_item_with_both_identifiers_links_two_people(database: str, older: str) -> None:
    names = {"from_": PHONE, "from_user_id": BSUID}
    newer = next(name for name in names if name != older)
    async with opened(database) as log:
        first = await meet(log, 1, **{older: names[older]})
        second = await meet(log, 2, **{newer: names[newer]})
        assert first != second
        assert await streams(log, PHONE) == (first if older == "from_" else second,)
        assert await meet(log, 3, **names) == first

        assert await streams(log, PHONE) == (first, second)
        assert await streams(log, f"+{PHONE}") == (first, second)
        assert await streams(log, BSUID) == (first, second)
        assert await streams(log, str(second)) == (first, second)
        linked = await links(log)
        assert [link.originator_id for link in linked] == [first, second]
        assert [link.conversations for link in linked] == [[str(first), str(second)]] * 2
        assert await meet(log, 4, **{newer: names[newer]}) == first
        assert await meet(log, 5, **{older: names[older]}) == first
        assert len(await log.history(await streams(log, BSUID))) == 7
    async with opened(database) as later:
        assert await streams(later, BSUID) == (first, second)
        assert await meet(later, 6, **{newer: names[newer]}) == first


@pytest.mark.parametrize("meets_others", [False, True])
async def test_a_link_reaches_a_log_that_knew_the_people_before(database: str, meets_others: Any) -> None:
    async with opened(database) as one, opened(database) as other:
        first = await meet(one, 1, from_=PHONE)
        await meet(other, 2, from_user_id=BSUID)
        await meet(one, 3, from_=PHONE, from_user_id=BSUID)
        if meets_others:
            await meet(other, 4, from_=STRANGER)
        assert await meet(other, 5, from_user_id=BSUID) == first


@pytest.mark.parametrize("meets_others", [False, True])
async def test_a_number_that_went_to_somebody_else_is_known_to_a_log_that_knew_its_former_owner(
    database: str, meets_others: Any
) -> None:
    async with opened(database) as one, opened(database) as other:
        former = await meet(other, 1, from_=PHONE, from_user_id=BSUID)
        present = await meet(one, 2, from_=PHONE, from_user_id="GB.2")
        if meets_others:
            await meet(other, 3, from_=STRANGER)
        assert await meet(other, 4, from_=PHONE) == present != former


async def test_a_recycled_number_is_not_its_former_owner(database: str) -> None:
    async with opened(database) as log:
        former = await meet(log, 1, from_=PHONE, from_user_id=BSUID)
        present = await meet(log, 2, from_=PHONE, from_user_id="GB.2")
        assert former != present
        assert await streams(log, BSUID) == (former,)
        assert await streams(log, "GB.2") == (present,)
        assert await streams(log, PHONE) == (present,)
        assert await meet(log, 3, from_=PHONE) == present
        assert await meet(log, 4, from_user_id=BSUID) == former
        assert await links(log) == []


@pytest.mark.parametrize(
    ("written", "variant"), [("5511987654321", "551187654321"), ("5215512345678", "525512345678")]
)
async def test_both_forms_of_a_number_are_one_conversation(database: str, written: str, variant: str) -> None:
    async with opened(database) as log:
        stream = await meet(log, 1, from_=written)
        assert await meet(log, 2, from_=variant) == stream
        assert await streams(log, written) == await streams(log, variant) == (stream,)


async def test_nobody_is_known_by_what_was_never_seen(database: str) -> None:
    async with opened(database) as log:
        stream = await meet(log, 1, from_=PHONE)
        for contact in ("447700900456", "GB.2", str(UUID(int=7)), "", "+"):
            assert await streams(log, contact) == ()
        assert await log.conversation("another line", PHONE) is None
        assert await log.conversation("another line", str(stream)) is None


@pytest.mark.parametrize("apart", [False, True])
async def test_two_logs_that_meet_the_same_people_at_once_split_nobody(
    database: str, pool: Pool, apart: Any
) -> None:
    people = [(f"4477009{number:05}", f"GB.{number}") for number in range(40)]

    async def record(log: Log, given: list[Fact]) -> None:
        parts = [[fact] for fact in given] if apart else [given]
        await asyncio.gather(*(log.record(part, patience=PATIENCE) for part in parts))

    async with opened(database) as one, opened(database) as other:
        forth = [
            fact
            for number, (phone, bsuid) in enumerate(people)
            for fact in facts(one, text(number, from_=phone, from_user_id=bsuid))
        ]
        back = [replace(turned(fact), key=one.ids.key("again", fact.key)) for fact in reversed(forth)]
        await asyncio.gather(record(one, forth), record(other, back))
        assert await one.head() == 80
        for phone, bsuid in people:
            assert len(await streams(one, phone)) == 1
            assert await streams(one, phone) == await streams(other, bsuid)
    assert await pool.fetchval("select count(*) from ledgerline.people") == 40


def turned(fact: Fact) -> Fact:
    """With its person's aliases in the opposite order."""
    assert isinstance(fact.subject, Person)
    return replace(fact, subject=Person(fact.subject.aliases[::-1]))


async def test_two_logs_that_link_the_same_people_at_once_split_nobody(database: str, pool: Pool) -> None:
    people = [(f"4477009{number:05}", f"GB.{number}") for number in range(40)]
    async with opened(database) as one, opened(database) as other:

        async def meet_all(log: Log, first: str, start: int, order: int) -> None:
            for number, (phone, bsuid) in [*enumerate(people)][::order]:
                names = {"from_": phone, "from_user_id": bsuid}
                await meet(log, start + number, **{first: names[first]})
                await meet(log, start + 100 + number, **names)

        await asyncio.gather(meet_all(one, "from_", 0, 1), meet_all(other, "from_user_id", 1000, -1))
        for phone, bsuid in people:
            found = await streams(one, phone)
            assert found == await streams(other, bsuid)
            assert await meet(one, 5000 + int(phone[-5:]), from_=phone) == found[0]
            assert await meet(other, 6000 + int(phone[-5:]), from_user_id=bsuid) == found[0]
    roots = "select count(distinct root_id) from ledgerline.people"
    assert await pool.fetchval(roots) == 40


NAMES = st.sampled_from([{"from_": "1"}, {"from_user_id": "GB.1"}, {"from_": "1", "from_user_id": "GB.1"}])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(NAMES, min_size=1, max_size=6), together=st.booleans())
async def test_in_whatever_order_items_come_one_that_names_both_makes_them_one(
    database: str, items: list[dict[str, str]], together: Any
) -> None:
    async with opened(database) as log:
        head = await log.head()
        ours = {"1": f"4479{head:08}", "GB.1": f"GB.{head}"}
        given = [
            fact
            for number, item in enumerate(items)
            for fact in facts(log, text(head * 100 + number, **{k: ours[v] for k, v in item.items()}))
        ]
        for part in [given] if together else [[fact] for fact in given]:
            await log.record(part, patience=PATIENCE)
        by_phone, by_bsuid = await streams(log, ours["1"]), await streams(log, ours["GB.1"])
        if {"from_": "1", "from_user_id": "GB.1"} in items:
            assert by_phone == by_bsuid
            kept = [one.event for one in await log.history(by_phone) if isinstance(one, Recorded)]
            assert len([event for event in kept if type(event) is not IdentityLinked]) == len(items)
        else:
            assert not set(by_phone) & set(by_bsuid)
