from __future__ import annotations

import asyncio
import base64
import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psycopg
import pytest

from gateway.store.embedded import Embedded, EmbeddedError, cluster, guard, master_key, places, programs
from gateway.store.embedded import server as readiness
from gateway.store.embedded.locks import hold
from gateway.store.embedded.places import User, home_of, owner_of, socket_folder

QUICK = {"fsync": "off", "shared_buffers": "16MB"}
CLIENT = """
import asyncio, signal, sys
from pathlib import Path
import uvloop
from gateway.store.embedded import Embedded

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit deafness

async def main():
    server = await Embedded.start(Path(sys.argv[1]), say=lambda _: None)
    try:
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()
    finally:
        await server.stop()
        print("stopped", flush=True)

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can pass through (pytest's own is root's alone when root runs the tests)."""
    path = Path(tempfile.mkdtemp(prefix="ledgerline-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data directory with a cluster, made once: every test leaves it without a server."""
    path = Path(tempfile.mkdtemp(prefix="ledgerline-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(autouse=True)
async def _nothing_is_left_running(data_dir: Path) -> AsyncIterator[None]:
    yield
    home = data_dir / "postgres"
    if home.exists():
        await gone(home)


async def gone(home: Path) -> None:
    """Wait until neither guard nor server lives."""
    async with hold(home / "guard"), hold(home / "server"):
        assert not (home / "cluster" / "postmaster.pid").exists()


async def start(data_dir: Path) -> Embedded:
    return await Embedded.start(data_dir, say=lambda _: None, settings=QUICK)


@asynccontextmanager
async def client(data_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that uses the server, in a process group of its own, as a shell gives it one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT, str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        process_group=0,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def fetch(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_data_outlasts_a_stop_and_a_start(data_dir: Path) -> None:
    server = await start(data_dir)
    await fetch(server.url, "create table kept as select 42 as n")
    await server.stop()
    assert not guard.is_held(data_dir / "postgres" / "server")
    server = await start(data_dir)
    assert await fetch(server.url, "select n from kept") == 42
    await fetch(server.url, "drop table kept")
    await server.stop()
    await server.stop()


async def test_both_drivers_take_the_url_and_find_a_private_utf8_database(data_dir: Path) -> None:
    server = await start(data_dir)
    with psycopg.connect(server.url) as connection:
        row = connection.execute(
            "select current_user, current_database(), current_setting('server_encoding'), datcollate,"
            " current_setting('timezone'), current_setting('listen_addresses'),"
            " rolsuper, rolpassword like 'SCRAM-SHA-256%'"
            " from pg_authid join pg_database on datname = current_database() where rolname = current_user"
        ).fetchone()
    assert row == ("ledgerline", "ledgerline", "UTF8", "C", "UTC", "", True, True)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await fetch(server.url.replace("ledgerline:", "ledgerline:x"), "select 1")
    await server.stop()


async def test_only_the_owner_can_look_into_any_file_or_folder(data_dir: Path) -> None:
    server = await start(data_dir)
    master_key(data_dir)
    home = data_dir / "postgres"
    folders = [home, home / "cluster", home / "socket"]
    files = [
        data_dir / "master.key",
        home / "password",
        home / "server.log",
        home / "socket" / ".s.PGSQL.5432",
    ]
    assert {mode(path) for path in folders} == {0o700}
    assert [mode(path) for path in files] == [0o600, 0o600, 0o600, 0o700]
    await server.stop()


async def test_fsync_is_on_unless_a_test_says_otherwise(data_dir: Path) -> None:
    server = await Embedded.start(data_dir, say=lambda _: None)
    assert await fetch(server.url, "select current_setting('fsync')") == "on"
    assert await fetch(server.url, "select current_setting('max_wal_size')") == "4GB"
    await server.stop()


async def test_the_log_quotes_neither_statements_nor_their_errors(data_dir: Path) -> None:
    server = await start(data_dir)
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await fetch(server.url, "select 'Zanzibar'::uuid")
    connection = await asyncpg.connect(server.url)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "create temp table t (n text primary key); insert into t values ('Zanzibar'), ('Zanzibar')"
        )
    await connection.close()
    await server.stop()
    log = (data_dir / "postgres" / "server.log").read_text()
    assert "ready to accept connections" in log
    assert "Zanzibar" not in log


async def test_the_first_of_two_to_leave_does_not_stop_the_server(data_dir: Path) -> None:
    server = await start(data_dir)
    async with client(data_dir) as other:
        pid = server_pid(data_dir)
        await server.stop()
        again = await start(data_dir)
        assert server_pid(data_dir) == pid
        other.send_signal(signal.SIGINT)
        await other.wait()
        assert await fetch(again.url, "select 1") == 1
        await again.stop()


async def test_many_that_start_at_once_share_one_server(folder: Path) -> None:
    servers = await asyncio.gather(*(start(folder) for _ in range(5)))
    started = {await fetch(server.url, "select pg_postmaster_start_time()") for server in servers}
    assert len(started) == 1
    await asyncio.gather(*(server.stop() for server in servers))
    await gone(folder / "postgres")


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
async def test_a_signal_to_the_last_gateways_process_group_stops_the_server_in_order(
    data_dir: Path, kind: signal.Signals
) -> None:
    log = data_dir / "postgres" / "server.log"
    async with client(data_dir) as gateway:
        before = log.read_text().count("database system is shut down")
        os.killpg(gateway.pid, kind)
        await gateway.wait()
        await gone(data_dir / "postgres")
    assert log.read_text().count("database system is shut down") == before + 1


async def test_a_gateway_that_is_killed_with_its_first_breath_leaves_a_whole_cluster(folder: Path) -> None:
    async with client(folder) as gateway:
        gateway.kill()
    await gone(folder / "postgres")
    server = await start(folder)
    await server.stop()
    await gone(folder / "postgres")


async def test_a_killed_gateway_does_not_take_the_server_from_another(data_dir: Path) -> None:
    server = await start(data_dir)
    async with client(data_dir) as other:
        other.kill()
        await other.wait()
    assert await fetch(server.url, "select 1") == 1
    await server.stop()


async def test_a_killed_server_comes_back_by_itself_with_its_data(data_dir: Path) -> None:
    server = await start(data_dir)
    await fetch(server.url, "create table survivor as select 7 as n")
    pid = server_pid(data_dir)
    os.kill(pid, signal.SIGKILL)
    joined = await start(data_dir)
    assert server_pid(data_dir) != pid
    assert await fetch(server.url, "select n from survivor") == 7
    await fetch(server.url, "drop table survivor")
    await joined.stop()
    await server.stop()


@pytest.mark.parametrize("guard_first", [True, False])
async def test_a_client_that_lives_brings_guard_and_server_back(
    data_dir: Path,
    guard_first: bool,  # noqa: FBT001 - a case
) -> None:
    server = await start(data_dir)
    pid = server_pid(data_dir)
    watching = parent_of(pid)
    for one in (watching, pid) if guard_first else (pid, watching):
        os.kill(one, signal.SIGKILL)
    while await is_away(server.url):
        pass
    assert server_pid(data_dir) != pid
    assert parent_of(server_pid(data_dir)) != watching
    await server.stop()


async def test_too_many_open_files_end_neither_the_watch_nor_the_stop(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_LOOK_EVERY", 0.01)
    server = await start(data_dir)
    watching = parent_of(server_pid(data_dir))
    asked, try_lock = asyncio.Event(), guard.try_lock

    def without_files(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
        if asked.is_set() or path.name != "guard":
            return try_lock(path, kind)
        asked.set()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(guard, "try_lock", without_files)
    await asked.wait()
    os.kill(watching, signal.SIGKILL)
    os.kill(server_pid(data_dir), signal.SIGKILL)
    while await is_away(server.url):
        pass
    await server.stop()


async def is_away(url: str) -> bool:
    try:
        await fetch(url, "select 1")
    except (OSError, asyncpg.PostgresError):
        await asyncio.sleep(0.05)  # a refused connection alone lets nobody else go on
        return True
    return False


async def test_a_guard_that_begins_while_the_last_client_leaves_leaves_too(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start(data_dir)
    watching = parent_of(server_pid(data_dir))
    words = words_of(watching)
    os.kill(watching, signal.SIGKILL)
    shut_down, begun = guard.shut_down, []

    def shut_down_and_begin(home: Path) -> None:
        shut_down(home)
        if not begun:
            begun.append(subprocess.run(words, check=True))  # noqa: S603 - the guard's own
            for _ in range(1_000):
                if guard.is_held(home / "server"):
                    return
                time.sleep(0.01)
            pytest.fail("it did not start the server")

    monkeypatch.setattr(guard, "shut_down", shut_down_and_begin)
    await server.stop()
    assert begun


def words_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


async def test_the_kill_of_everything_leaves_a_cluster_that_starts(data_dir: Path) -> None:
    async with client(data_dir) as gateway:
        pid = server_pid(data_dir)
        os.kill(parent_of(pid), signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        gateway.kill()
        await gateway.wait()
    server = await start(data_dir)
    assert await fetch(server.url, "select 1") == 1
    await server.stop()


async def test_a_server_without_its_guard_is_joined_and_stopped(data_dir: Path) -> None:
    async with client(data_dir) as gateway:
        pid = server_pid(data_dir)
        os.kill(parent_of(pid), signal.SIGKILL)
        gateway.kill()
        await gateway.wait()
    server = await start(data_dir)
    assert server_pid(data_dir) == pid
    await server.stop()


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:  # no Linux
        return int(subprocess.check_output(["/bin/ps", "-o", "ppid=", "-p", str(pid)]))  # noqa: S603 - a number


async def test_a_stale_pid_file_is_removed_whatever_it_names(data_dir: Path) -> None:
    await (await start(data_dir)).stop()
    home = data_dir / "postgres"
    stranger = await asyncio.create_subprocess_exec("sleep", "600", **owner_of(home).process)
    try:
        for content in (f"{stranger.pid}\n{home}/cluster\n1\n5432\n", "", "12", "gibberish"):
            (home / "cluster" / "postmaster.pid").write_text(content)
            server = await start(data_dir)
            assert await fetch(server.url, "select 1") == 1
            await server.stop()
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_server_that_somebody_started_by_hand_is_left_alone(data_dir: Path) -> None:
    await (await start(data_dir)).stop()
    home = data_dir / "postgres"
    user = owner_of(home)
    by_hand = [programs.binaries(user) / "pg_ctl", "-D", home / "cluster", "-l", home / "hand.log", "-w"]
    await programs.run(user, [*by_hand, "-o", f"-c listen_addresses= -c port=5999 -k {home}", "start"])
    try:
        with pytest.raises(EmbeddedError, match="does not start"):
            await start(data_dir)
        assert "server is running" in await programs.run(user, [*by_hand, "status"])
    finally:
        await programs.run(user, [*by_hand, "-m", "fast", "stop"])


async def test_a_long_wait_for_the_server_is_told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_NEWS_EVERY", 0.1)
    server = await start(data_dir)
    pid = server_pid(data_dir)
    os.kill(pid, signal.SIGSTOP)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        os.kill(pid, signal.SIGCONT)

    joined = await Embedded.start(data_dir, say=say)
    assert "not ready yet" in said[0]
    await joined.stop()
    await server.stop()


async def test_a_start_that_is_cancelled_leaves_nothing_in_the_way_of_the_next(folder: Path) -> None:
    def cancel(_text: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(Embedded.start(folder, say=cancel))
    server = await start(folder)
    await server.stop()
    await gone(folder / "postgres")


async def test_a_deep_path_gets_a_private_socket_folder_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    deep = folder / ("d" * 60) / "a folder, with marks" / ("e" * 60)
    deep.mkdir(parents=True)
    server = await start(deep)
    sockets = Path(str(await fetch(server.url, "select current_setting('unix_socket_directories')")))
    assert sockets.parent == folder
    assert mode(sockets) == 0o700
    await server.stop()
    await gone(deep / "postgres")


async def test_a_socket_folder_that_others_could_enter_is_refused(
    data_dir: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    home = home_of(data_dir, print)
    user = owner_of(home)
    deep = home / ("d" * 90)
    socket_folder(deep, user).chmod(0o755)
    with pytest.raises(EmbeddedError, match="mode 0700"):
        socket_folder(deep, user)


async def test_a_server_that_does_not_start_shows_the_end_of_its_log(data_dir: Path) -> None:
    await (await start(data_dir)).stop()
    with pytest.raises(EmbeddedError, match="no_such_setting"):
        await Embedded.start(data_dir, say=lambda _: None, settings={"no_such_setting": "1"})


async def test_a_cluster_of_another_version_is_left_alone_with_the_line_that_upgrades_it(
    data_dir: Path,
) -> None:
    await (await start(data_dir)).stop()
    version = data_dir / "postgres" / "cluster" / "PG_VERSION"
    ours = version.read_text()
    version.write_text("17\n")
    try:
        with pytest.raises(
            EmbeddedError, match=r"is of PostgreSQL 17.* is PostgreSQL 18[\s\S]*pg_upgrade .*-b OLD"
        ):
            await start(data_dir)
    finally:
        version.write_text(ours)


async def test_a_lost_password_is_named_and_not_made_anew(data_dir: Path) -> None:
    await (await start(data_dir)).stop()
    password = data_dir / "postgres" / "password"
    password.rename(password.with_name("elsewhere"))
    with pytest.raises(EmbeddedError, match="password is missing"):
        await start(data_dir)
    password.write_text("wrong\n")
    with pytest.raises(EmbeddedError, match="not the server's password"):
        await start(data_dir)
    password.with_name("elsewhere").rename(password)


async def test_what_is_left_of_a_killed_initdb_is_cleared_away(folder: Path) -> None:
    home = home_of(folder, print)
    (home / "cluster.new").mkdir()
    (home / "cluster.new" / "half").touch()
    server = await start(folder)
    await server.stop()
    assert not (home / "cluster.new").exists()


def test_a_master_key_is_made_once_however_many_ask(folder: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(master_key, [folder / "new"] * 64))
    assert len(keys) == 1
    assert len(base64.b64decode(keys.pop())) == 32
    assert [path.name for path in (folder / "new").iterdir()] == ["master.key"]


async def test_root_keeps_the_cluster_where_the_servers_user_reaches_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = folder / "system"
    monkeypatch.setattr(places, "SYSTEM_FOLDER", system)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    said: list[str] = []
    home = home_of(closed, said.append)
    assert home == home_of(closed, said.append)
    assert mode(home) == 0o700
    assert mode(closed) == 0o700
    if os.geteuid() == 0:
        assert home.parent == system
        assert str(home) in said.pop()
    else:
        assert home == closed / "postgres"
    assert said == []


def test_root_copies_the_programs_when_the_servers_user_can_not_reach_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SYSTEM_FOLDER", folder)
    monkeypatch.setattr(User, "reaches", lambda _user, _path: False)
    found = programs.binaries(User(1, 1))
    assert found.is_relative_to(folder)
    assert os.access(found / "postgres", os.X_OK)
    assert programs.binaries(User(1, 1)) == found


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedError, match=r"ledgerline\[embedded\].*LEDGERLINE_DATABASE_URL"):
        programs.binaries(User(1, 1))


@pytest.mark.parametrize(("memory", "buffers"), [(256, 128), (2048, 512), (65536, 1024)])
def test_shared_buffers_are_a_quarter_of_the_memory_within_bounds(memory: int, buffers: int) -> None:
    assert cluster.shared_buffers(memory << 20) == buffers << 20
