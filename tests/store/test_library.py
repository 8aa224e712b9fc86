"""The eventsourcing library's own test cases, and its stock recorder and Mapper on our log."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from eventsourcing.persistence import PersistenceError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from eventsourcing.tests import persistence
from opened import facts, opened, text
from recorder import Recorder, environment

README = Path(__file__).parents[2] / "README.md"


class NamelessRecorder(Recorder):
    """As the library's recorders of aggregates alone: an insert returns nothing."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **more: Any) -> None:  # type: ignore[override]
        super().insert_events(stored_events, **more)


class RecorderTests:
    """Each test of a library's class, on a database of its own."""

    kind: type[Recorder] = Recorder
    recorder: Recorder

    @pytest.fixture(autouse=True)
    def _store(self, database: str) -> Iterator[None]:
        self.recorder = self.kind(database, "ledgerline")
        yield
        self.recorder.close()

    def create_recorder(self) -> Recorder:
        return self.recorder


class TestAggregateRecorder(RecorderTests, persistence.AggregateRecorderTestCase):
    kind = NamelessRecorder


class TestApplicationRecorder(RecorderTests, persistence.ApplicationRecorderTestCase[Recorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(RecorderTests, persistence.NonInterleavingNotificationIDsBaseCase):
    pass


@pytest.fixture
async def auditor(database: str) -> AsyncIterator[dict[str, str]]:
    """The library's settings for a role that may do nothing but select."""
    role = f"auditor_{uuid4().hex}"
    db = await asyncpg.connect(database)
    try:
        await db.execute(f"create role {role} login password 'audit'")
        await db.execute(f"grant usage on schema ledgerline to {role}")
        await db.execute(f"grant select on ledgerline.stored_events to {role}")
        yield environment(database, "ledgerline") | {"POSTGRES_USER": role, "POSTGRES_PASSWORD": "audit"}
        await db.execute(f"drop owned by {role} cascade")
        await db.execute(f"drop role {role}")
    finally:
        await db.close()


async def test_the_audit_in_the_readme_prints_every_event_with_none_of_our_code(
    database: str, auditor: dict[str, str], tmp_path: Path
) -> None:
    async with opened(database) as log:
        for number in range(3):
            await log.record(facts(log, text(number, from_="447700900123")), patience=30)
        first = (await log.after(0, 1))[0]
    printed = README.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    given = {"dbname": "DBNAME", "host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    for name, setting in given.items():
        printed, count = re.subn(rf'\b{name}="[^"]*"', f'{name}="{auditor[f"POSTGRES_{setting}"]}"', printed)
        assert count == 1
    told = (
        "import sys; ours = {'domain', 'gateway', 'projections'} & sys.modules.keys(); print('ours:', ours)"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{printed}\n{told}"), cwd=tmp_path, stdout=-1, stderr=-1
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    lines = output.decode().splitlines()
    assert [line.split(" {")[0] for line in lines[:3]] == [
        "1 MessageReceived",
        "2 MessageReceived",
        "3 MessageReceived",
    ]
    assert f"'key': '{first.event.key}'" in lines[0]  # type: ignore[union-attr]
    assert "'timestamp': datetime.datetime(2026, 11, 20, 12, 0, tzinfo=datetime.timezone.utc)" in lines[0]
    assert lines[3:] == ["ours: set()"]


async def test_an_insert_by_the_library_itself_is_refused(database: str, auditor: dict[str, str]) -> None:
    def insert(user: dict[str, str]) -> None:
        datastore = PostgresDatastore(
            user["POSTGRES_DBNAME"],
            user["POSTGRES_HOST"],
            user["POSTGRES_PORT"],
            user["POSTGRES_USER"],
            user["POSTGRES_PASSWORD"],
            schema="ledgerline",
        )
        try:
            recorder = PostgresApplicationRecorder(datastore, events_table_name="stored_events")
            recorder.insert_events([StoredEvent(uuid4(), 1, "topic", b"state")])
        finally:
            datastore.close()

    for user in (auditor, environment(database, "ledgerline")):
        with pytest.raises(PersistenceError):
            await asyncio.to_thread(insert, user)
    async with opened(database) as log:
        assert await log.head() == 0
