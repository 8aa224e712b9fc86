"""Projections rebuilt by the command while a gateway serves them."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import asyncpg
from running import ANN, LINE, MASTER_KEY, Running, Start, until
from test_command import COMMAND, ended, environment

from gateway.cli.progress import Progress

TEMPLATE = {
    "messaging_product": "whatsapp",
    "to": f"+{ANN}",
    "type": "template",
    "template": {"name": "order_update", "language": {"code": "en_GB"}},
}
PATHS = ("/ready", "/api/lines", "/api/templates", "/api/reports/counts", "/api/reports/observed")
UNREADABLE = """
insert into ledgerline.stored_events
select gen_random_uuid(), 1, 'Later', '{}', max(notification_id) + 1 from ledgerline.stored_events
"""


async def command(database: str, *words: str) -> tuple[int, str]:
    return await ended(*words, DATABASE_URL=database, MASTER_KEY=MASTER_KEY)


async def lived(running: Running) -> None:
    """A history with something in every table."""
    await running.writes()
    for to in (ANN, "447700900124"):
        await running.text(to)
        await running.send(TEMPLATE | {"to": f"+{to}"})
    await running.settled()


async def answers(running: Running) -> list[Any]:
    """What is known of that history, as the API tells it."""
    _, found = await running.get("/api/messages", limit=4)
    _, window = await running.get(f"/api/lines/{LINE}/conversations/{ANN}/window")
    del window["decided_at"]
    return [found["messages"], window]


async def test_answers_stay_the_same_and_none_fails_while_everything_is_rebuilt(
    running: Running, database: str
) -> None:
    await lived(running)
    before = await answers(running)
    stop = asyncio.Event()
    statuses: list[int] = []

    async def reads() -> None:
        while not stop.is_set():
            assert await answers(running) == before
            statuses.extend([(await running.get(path))[0] for path in PATHS])

    async def writes() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            await running.writes(f"4477009100{n % 50:02}")
            statuses.append((await running.text(f"4477009100{n % 50:02}"))[0])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reads())
        tasks.create_task(writes())
        for words in (("--all", "--diff"), ("window_v2", "messages_v2"), ("--all", "--drop-old")):
            code, said = await command(database, "rebuild", *words)
            assert code == 0, said
            assert "missing" not in said
        stop.set()
    await running.settled()

    assert set(statuses) == {200}
    _, ready = await running.get("/ready")
    assert {one["dead_letters"] for one in ready["projections"].values()} == {0}
    code, said = await command(database, "rebuild", "--all", "--diff")
    assert said.count("no row(s) otherwise than in the tables that served") == len(ready["projections"]), said


async def test_three_rebuilds_and_the_live_tables_have_the_same_checksums(
    running: Running, database: str
) -> None:
    await lived(running)
    _, live = await command(database, "projections", "checksum")
    assert live.count("\n") == len((await running.get("/ready"))[1]["projections"])
    for _ in range(3):
        assert (await command(database, "rebuild", "--all"))[0] == 0
        assert await command(database, "projections", "checksum") == (0, live)
    _, one = await command(database, "projections", "checksum", "counts_v2")
    assert one in live


async def test_what_was_changed_by_hand_is_named_and_mended(running: Running, database: str) -> None:
    await lived(running)
    _, before = await command(database, "projections", "checksum", "messages_v2")
    await running.gateway.pool.execute("delete from ledgerline.messages_v1 where direction = 'inbound'")
    code, said = await command(database, "rebuild", "messages_v2", "--diff")

    assert code == 0
    assert "messages_v1 (message_key, participant) = (" in said
    assert ") missing\nmessages_v2: 1 row(s) otherwise" in said
    assert "kept until --drop-old: messages_v1, send_references_v1, sends_v2" in said
    assert await command(database, "projections", "checksum", "messages_v2") == (0, before)
    _, said = await command(database, "rebuild", "messages_v2", "--drop-old")
    assert said == "messages_v2: dropped messages_v1, send_references_v1, sends_v2\n"


async def test_a_rebuild_that_is_killed_goes_on_and_the_gateway_with_it(
    running: Running, database: str
) -> None:
    await lived(running)
    head = (await running.get("/ready"))[1]["head"]
    db, other = await asyncpg.connect(database), await asyncpg.connect(database)
    async with db.transaction():
        await db.execute(
            "select 1 from ledgerline.projection_checkpoints where name = 'window_v2' for update"
        )
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "rebuild",
            "window_v2",
            env=environment(DATABASE_URL=database, MASTER_KEY=MASTER_KEY),
            cwd="/",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

        async def folded() -> bool:
            if (
                await other.fetchval("select to_regclass('ledgerline_rebuild.projection_checkpoints')")
                is None
            ):
                return False
            position = "select max(position) from ledgerline_rebuild.projection_checkpoints"
            return (await other.fetchval(position) or 0) >= head

        await until(folded)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await db.close()
    await other.close()
    await running.writes("447700900199")
    await running.settled()
    code, said = await command(database, "rebuild", "window_v2")

    assert code == 0, said
    assert f"window_v2 goes on from position {head}\n" in said
    await running.settled()
    assert (await running.text("447700900199"))[0] == 200


async def test_an_event_that_cannot_be_read_stops_the_command_and_shows_in_ready(
    running: Running, database: str
) -> None:
    await lived(running)
    db = await asyncpg.connect(database)
    await db.execute(UNREADABLE)
    position = await db.fetchval("select max(notification_id) from ledgerline.stored_events")
    await db.close()
    await running.settled()

    code, said = await command(database, "rebuild", "lines_v2")

    assert (code, said) == (
        1,
        f"ledgerline: lines_v2: the event at position {position} can't be folded (UnknownTopic)\n",
    )
    _, ready = await running.get("/ready")
    assert ready["projections"]["lines_v2"]["dead_letters"] == 1


OLDER = """
create table ledgerline.window_v1 (like ledgerline.window_v2 including all);
insert into ledgerline.window_v1 select * from ledgerline.window_v2;
create or replace view ledgerline.windows as select * from ledgerline.window_v1;
truncate ledgerline.window_v2;
delete from ledgerline.projection_checkpoints where name = 'window_v2'
"""
"""What a release finds whose predecessor had the windows in tables of another version."""


async def test_a_release_with_another_version_serves_it_once_it_has_caught_up(
    start: Start, database: str
) -> None:
    async with start() as running:
        await lived(running)
        before = await answers(running)
    db = await asyncpg.connect(database)
    await db.execute(OLDER)
    code, said = await command(database, "rebuild", "window_v2")
    assert (code, said) == (
        0,
        "window_v2 has caught up; it serves when a gateway of this release starts\n",
    )
    assert "window_v1" in await db.fetchval("select pg_get_viewdef('ledgerline.windows'::regclass)")
    await db.execute("truncate ledgerline.window_v2; delete from ledgerline.projection_checkpoints")
    async with start() as running:
        assert "window_v2" in await db.fetchval("select pg_get_viewdef('ledgerline.windows'::regclass)")
        assert await db.fetchval("select count(*) from ledgerline.window_v2") > 0
        await running.settled()
        assert await answers(running) == before
    await db.close()


async def test_names_are_checked(database: str) -> None:
    code, said = await command(database, "rebuild", "windows")
    assert code == 1
    assert said.startswith("ledgerline: there is no projection windows: this release has window_v2, ")
    assert (await command(database, "rebuild"))[0] == 1
    assert (await command(database, "rebuild", "window_v2", "--all"))[0] == 1


class Screen:
    """A terminal, or a file."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal
        self.written = ""

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


def shown(*, is_terminal: bool) -> list[str]:
    screen, now = Screen(is_terminal=is_terminal), iter([0.0, 4.0, 6.0])
    with Progress(screen=screen, monotonic=lambda: next(now)) as progress:  # type: ignore[arg-type] # enough of one
        for position in (100, 300, 400):
            progress.moved("window_v2", position, 1_000)
    return screen.written.replace("\r\033[K", "\n").splitlines()


def test_progress_is_a_bar_on_a_terminal() -> None:
    assert shown(is_terminal=True) == [
        "",
        "window_v2 [###                           ] 100 of 1,000 events",
        "window_v2 [#########                     ] 300 of 1,000 events, 50/s, 0:00:14 left",
        "window_v2 [############                  ] 400 of 1,000 events, 50/s, 0:00:12 left",
    ]


def test_progress_is_a_line_now_and_then_elsewhere() -> None:
    assert shown(is_terminal=False) == [
        "window_v2: 100 of 1,000 events",
        "window_v2: 400 of 1,000 events, 50/s, 0:00:12 left",
    ]
