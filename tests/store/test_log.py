"""Facts in, sealed events out: what the log keeps, what it opens, and what it never shows."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from opened import KEY, LINE, NOW, PATIENCE, facts, opened, text

from domain.events import Event, Recorded, UnrecognisedReceived
from domain.facts import Alias, AliasKind, Fact, Person
from gateway.store.keyring import WrongMasterKeyError
from gateway.store.log import Log
from gateway.store.outcomes import Appended, Duplicate
from gateway.store.postgres import Pool

OTHER_KEY = bytes(reversed(range(32)))
PHONE = "447700900123"
BSUID = "GB.13491208655302741918"


async def stored(log: Log) -> list[Event]:
    return [one.event for one in await log.after(0, 100) if isinstance(one, Recorded)]


async def record(log: Log, *given: Fact) -> Any:
    return await log.record(given, patience=PATIENCE)


async def test_what_is_sealed_opens_again_also_in_another_process(database: str) -> None:
    async with opened(database) as log:
        (fact,) = facts(log, text(1, from_=PHONE))
        assert await record(log, fact) == [Appended(1, 1)]
        (event,) = await stored(log)
        assert event.sealed is not None
        assert await log.opened([event]) == [fact.private]
        assert fact.private["message_id"] == "wamid.1"
    async with opened(database) as later:
        assert await later.opened(await stored(later)) == [fact.private]


async def test_who_opens_at_the_same_time_takes_no_key_for_gone(database: str) -> None:
    async with opened(database) as log:
        (fact,) = facts(log, text(1, from_=PHONE))
        await record(log, fact)
        events = await stored(log)
    async with opened(database) as later:
        assert await asyncio.gather(*(later.opened(events) for _ in range(5))) == [[fact.private]] * 5


@pytest.mark.parametrize("strange", ["\ud800", 2**70, 2**64 - 1, '": ', "\x00", "😀", 0.1])
async def test_content_of_any_kind_comes_back_as_it_went_in(database: str, strange: Any) -> None:
    async with opened(database) as log:
        (fact,) = facts(log, text(1, from_=PHONE))
        fact = replace(fact, private={"item": strange})
        await record(log, fact)
        assert await log.opened(await stored(log)) == [{"item": strange}]


@pytest.mark.parametrize("moved", ["sealed", "originator_id", "key", "topic"])
async def test_a_sealed_field_opens_in_its_own_event_only(database: str, moved: str) -> None:
    async with opened(database) as log:
        await record(log, *facts(log, text(1, from_=PHONE)), *facts(log, text(2, from_=PHONE)))
        first, second = await stored(log)
        content = vars(first)
        other = {
            "sealed": type(first)(**content | {"sealed": second.sealed}),
            "originator_id": type(first)(**content | {"originator_id": uuid4()}),
            "key": type(first)(**content | {"key": second.key}),
            "topic": UnrecognisedReceived(
                **{
                    name: content[name]
                    for name in ("originator_id", "originator_version", "timestamp", "line", "key", "sealed")
                },
                reason="moved",
            ),
        }[moved]
        with pytest.raises(InvalidTag):
            await log.opened([other])


async def test_a_wrong_master_key_does_not_open_the_log(database: str) -> None:
    async with opened(database):
        pass
    with pytest.raises(WrongMasterKeyError):
        async with opened(database, OTHER_KEY):
            pass


async def test_the_first_of_several_master_keys_wraps_and_all_unwrap(database: str) -> None:
    async with opened(database, KEY) as log:
        await record(log, *facts(log, text(1, from_=PHONE)))
    async with opened(database, OTHER_KEY, KEY) as log:
        await record(log, *facts(log, text(2, from_="447700900456")))
        contents = await log.opened(await stored(log))
        assert [content["message_id"] for content in contents if content] == ["wamid.1", "wamid.2"]
    async with opened(database, KEY) as log:
        first, second = await stored(log)
        assert (await log.opened([first]))[0] is not None
        with pytest.raises(WrongMasterKeyError):
            await log.opened([second])


async def test_a_known_fact_is_a_duplicate_and_makes_no_person(database: str, pool: Pool) -> None:
    async with opened(database) as log:
        (fact,) = facts(log, text(1, from_=PHONE))
        await record(log, fact)
        assert await record(log, fact) == [Duplicate(1, 1)]
    async with opened(database) as later:
        assert await record(later, fact) == [Duplicate(1, 1)]
        stranger = Person((Alias(AliasKind.PHONE, "447700900456"),))
        assert await record(later, replace(fact, subject=stranger)) == [Duplicate(1, 1)]
        assert await later.conversation(LINE, "447700900456") is None
        assert await later.head() == 1
    assert await pool.fetchval("select count(*) from ledgerline.people") == 1


async def test_of_two_facts_with_one_key_the_first_counts_whomever_the_other_names(database: str) -> None:
    async with opened(database) as log:
        (one,) = facts(log, text(1, from_=PHONE))
        (other,) = facts(log, text(1, from_="15550109999"))
        recordings = await record(log, one, replace(other, line="106540352242923"))
        assert recordings == [Appended(1, 1), Duplicate(1, 1)]
        assert (await stored(log))[0].line == LINE


async def test_the_same_fact_twice_in_one_call_is_stored_once(database: str) -> None:
    async with opened(database) as log:
        (fact,) = facts(log, text(1, from_=PHONE))
        assert await record(log, fact, fact) == [Appended(1, 1), Duplicate(1, 1)]
        assert await log.head() == 1


async def test_a_fact_sealed_before_a_new_epoch_is_sealed_again_and_stored_once(
    database: str, pool: Pool
) -> None:
    async with opened(database) as log:
        await record(log, *facts(log, text(1, from_=PHONE)))
        await pool.execute("select ledgerline.next_epoch_1()")
        (second,) = facts(log, text(2, from_=PHONE))
        assert await record(log, second) == [Appended(2, 2)]
        assert (await log.opened(await stored(log)))[1] == second.private
        assert await log.head() == 2


async def test_content_that_names_nobody_can_be_read_for_ninety_days(database: str) -> None:
    async with opened(database) as log:
        await record(log, *facts(log, {"news": [{"what": "secret"}]}, field="brand_new"))
        await record(log, *facts(log, text(1, from_=PHONE)))
        await log.drop_expired_keys(NOW + timedelta(days=90), None)
        assert await readable(database) == [True, True]
        await log.drop_expired_keys(NOW + timedelta(days=90, seconds=1), None)
        assert await readable(database) == [False, True]
        assert await log.head() == 2


async def test_content_of_persons_goes_by_the_month(database: str) -> None:
    async with opened(database) as log:
        await record(log, *facts(log, text(1, from_=PHONE)))
        await record(log, *facts(log, text(2, from_=PHONE), at=NOW + timedelta(days=15)))
        await log.drop_expired_keys(NOW, 202611)
        assert await readable(database) == [True, True]
        await log.drop_expired_keys(NOW, 202612)
        assert await readable(database) == [False, True]
        conversation = await log.conversation(LINE, PHONE)
        assert conversation is not None
        assert len(await log.history(conversation.streams)) == 2


async def readable(url: str) -> list[bool]:
    """Of each event, in a process that has not read any key yet."""
    async with opened(url) as log:
        return [content is not None for content in await log.opened(await stored(log))]


async def test_no_table_shows_who_wrote_or_what(database: str, pool: Pool) -> None:
    wamid = "wamid." + base64.b64encode(PHONE.encode() + b"0123456789").decode()
    said = "My parcel never arrived."
    contact = {"wa_id": PHONE, "user_id": BSUID, "profile": {"name": "Ann Archer"}}
    message = text(1, from_=PHONE, from_user_id=BSUID)["messages"][0] | {"id": wamid, "text": {"body": said}}
    status = {"id": wamid, "status": "delivered", "timestamp": "1795175000", "recipient_id": PHONE}
    async with opened(database) as log:
        await record(log, *facts(log, {"contacts": [contact], "messages": [message], "statuses": [status]}))
        await record(log, *facts(log, text(2, from_="447700900456")))
        await record(log, *facts(log, text(3, from_user_id="GB.99")))
        await record(log, *facts(log, text(4, from_="447700900456", from_user_id="GB.99")))
        await record(log, *facts(log, {"from": PHONE, "said": said, "id": wamid}, field="brand_new"))
    dump = b"\n".join([blob async for blob in everything(pool)])
    for shown in (b"MessageReceived", b"IdentityLinked", b"UnrecognisedReceived", LINE.encode()):
        assert shown in dump
    secrets = [PHONE, PHONE[2:], BSUID, BSUID[3:], "Ann Archer", "Archer", said, "parcel", wamid, wamid[6:]]
    assert [secret for secret in secrets if secret.encode() in dump] == []


async def everything(pool: Pool) -> Any:
    """Each value of each table as bytes, and what is base64 in it."""
    tables = await pool.fetch("select tablename from pg_tables where schemaname = 'ledgerline'")
    assert {"stored_events", "event_keys", "people", "person_aliases", "person_keys"} <= {
        row["tablename"] for row in tables
    }
    for table in tables:
        for row in await pool.fetch(f'select * from ledgerline."{table["tablename"]}"'):  # noqa: S608 - names of ours
            for value in row.values():
                blob = value if isinstance(value, bytes) else str(value).encode()
                yield blob
                for part in decoded(blob):
                    yield part


def decoded(blob: bytes) -> Iterator[bytes]:
    for part in re.findall(rb"[A-Za-z0-9+/]{12,}", blob):
        yield base64.b64decode(part[: len(part) // 4 * 4])
