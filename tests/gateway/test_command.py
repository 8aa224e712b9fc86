"""The command as an operator meets it: processes that start, stop, and are killed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from running import MASTER_KEY, until

from gateway import sandbox as sandboxed
from gateway.store.embedded.locks import hold

COMMAND = (sys.executable, "-c", "from gateway.cli import main; main()")
README = Path(__file__).parents[2] / "README.md"
MESSAGES = f"/v26.0/{sandboxed.LINE}/messages"
TEXT = {
    "messaging_product": "whatsapp",
    "to": "+447700900123",
    "type": "text",
    "text": {"body": "It left this morning."},
}
LIVE = {
    "APP_SECRETS": "a",
    "VERIFY_TOKEN": "v",
    "ACCESS_TOKEN": "t",
    "LINES": "1",
    "API_KEYS": "shop:k:send",
    "MASTER_KEY": MASTER_KEY,
}


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data directory that the server's user can reach, shared, because making a cluster takes seconds."""
    path = Path(tempfile.mkdtemp(prefix="ledgerline-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environment(**variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERLINE_")}
    paths = {"PYTHONPATH": str(README.parent)}
    return clean | paths | {f"LEDGERLINE_{name}": value for name, value in variables.items()}


async def ended(*words: str, **variables: str) -> tuple[int, str]:
    """Run the command to its end: exit code, and all it said."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(**variables),
        cwd=tempfile.gettempdir(),
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


class Served:
    """A process that listens."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, http: aiohttp.ClientSession) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{port}"
        self._http = http

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        async with self._http.post(self._url + path, json=body) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._http.get(self._url + path) as answer:
            return answer.status, await answer.json()

    async def ready(self) -> bool:
        return (await self.get("/ready"))[0] == 200

    async def topics(self) -> list[str]:
        _, answer = await self.get("/api/events?limit=1000")
        return [event["topic"] for event in answer["events"]]

    async def stopped(self, by: signal.Signals) -> tuple[int, str]:
        """Exit code, and what it said from now on."""
        self.process.send_signal(by)
        said, _ = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, said.decode()


@asynccontextmanager
async def listening(
    port: int, *words: str, said_at_last: bytes = b"Ctrl-C stops it.", **variables: str
) -> AsyncIterator[Served]:
    """The command, once it says where it listens."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *words, "--port", str(port)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(**variables),
        process_group=0,
    )
    assert process.stdout is not None
    headers = {"Authorization": f"Bearer {sandboxed.API_KEY}"}
    try:
        said = b""
        while said_at_last not in said:
            line = await process.stdout.readline()
            assert line, said.decode()
            said += line
        async with aiohttp.ClientSession(headers=headers) as http:
            yield Served(process, port, http)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def sandbox(port: int, data_dir: Path) -> Any:
    return listening(port, "serve", "--sandbox", "--data-dir", str(data_dir))


async def nothing_is_left(data_dir: Path) -> None:
    """Wait until neither the database nor its guard lives."""
    home = data_dir / "postgres"
    async with asyncio.timeout(30), hold(home / "guard"), hold(home / "server"):
        assert not (home / "cluster" / "postmaster.pid").exists()


def workers_of(process: asyncio.subprocess.Process) -> list[int]:
    """The processes that a supervisor began."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    pids = children.read_text().split() if children.exists() else []
    return [int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_workers_share_a_port_and_the_log_and_a_dead_one_is_replaced(port: int, data_dir: Path) -> None:
    live = LIVE | {
        "API_KEYS": f"shop:{sandboxed.API_KEY}:send+read",
        "LINES": sandboxed.LINE,
        "APP_SECRETS": "s",
    }
    del live["MASTER_KEY"]  # the data directory keeps its own
    words = ("serve", "--workers", "2", "--data-dir", str(data_dir))
    async with listening(port, *words, said_at_last=b"with 2 workers", **live) as served:
        assert await served.ready()  # what is said is so
        body = b'{"object":"whatsapp_business_account","entry":[]}'
        signature = "sha256=" + hmac.new(b"s", body, hashlib.sha256).hexdigest()
        for _ in range(20):
            async with aiohttp.request(
                "POST",
                f"http://127.0.0.1:{port}/webhooks/whatsapp",
                data=body,
                headers={"X-Hub-Signature-256": signature, "Connection": "close"},
            ) as answer:
                assert answer.status == 200
        async with aiohttp.request("GET", f"http://127.0.0.1:{port}/metrics") as answer:
            assert 'ledgerline_webhooks_total{result="stored"} 20.0' in await answer.text()
        first = workers_of(served.process)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)

        async def replaced() -> bool:
            return len(workers_of(served.process)) == 2 and first[0] not in workers_of(served.process)

        await until(replaced, seconds=60)
        code, said = await served.stopped(signal.SIGTERM)
        assert code == 0
        assert f"worker {first[0]} ended with -9" in said
        assert workers_of(served.process) == []
    await nothing_is_left(data_dir)


async def test_the_sandbox_is_for_its_own_machine(port: int) -> None:
    code, said = await ended("serve", "--sandbox", "--host", "::", "--port", str(port))
    assert (code, "--sandbox listens on 127.0.0.1 only" in said) == (1, True)


async def test_the_sandbox_has_one_process(port: int) -> None:
    code, said = await ended("serve", "--sandbox", "--workers", "2", "--port", str(port))
    assert (code, "leave --workers out" in said) == (1, True)


async def pasted(port: int) -> list[Any]:
    """The answers to the README's lines, pasted into a shell."""
    section = README.read_text().split("## Try it")[1].split("## ")[0]
    lines = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert lines is not None
    answers = []
    for line in lines[1].splitlines():
        if line.startswith("curl"):
            shell = await asyncio.create_subprocess_exec(
                *("bash", "-c", line.replace("localhost:8080", f"127.0.0.1:{port}")),
                stdout=asyncio.subprocess.PIPE,
            )
            answer, _ = await shell.communicate()
            answers.append(json.loads(answer))
    return answers


async def test_the_readme_holds_and_a_second_run_goes_on_from_there(port: int, data_dir: Path) -> None:
    async with sandbox(port, data_dir) as served:
        wrote, sent, clock, refused, window, history = await pasted(port)
        assert wrote["id"].startswith("wamid.")
        assert sent["messages"][0]["id"].startswith("wamid.")
        assert set(clock) == {"now"}
        assert refused["error"]["code"] == 131047
        assert (window["open"], window["opened_by"]) == (False, wrote["id"])
        topics = [event["topic"] for event in history["events"]]
        assert topics[:3] == ["MessageReceived", "SendRequested", "SendDispatched"]
        assert {"SendAccepted", "SendRefused"} <= set(topics)
        code, said = await served.stopped(signal.SIGINT)
        assert code == 0
        assert said.endswith("Stopping; what was taken is finished first.\n")
        assert "Traceback" not in said
    await nothing_is_left(data_dir)

    async with sandbox(port, data_dir) as served:
        _, again = await served.get(f"/api/lines/{sandboxed.LINE}/conversations/447700900123/events")
        assert again["events"][: len(history["events"])] == history["events"]
        assert (await served.get("/sandbox/clock"))[1]["now"] >= clock["now"]
        status, refused = await served.post(MESSAGES, TEXT)
        assert (status, refused["error"]["code"]) == (400, 131047)
        code, said = await served.stopped(signal.SIGTERM)
        assert code == 0
        assert said.endswith("Stopping; what was taken is finished first.\n")
        assert "Traceback" not in said
    await nothing_is_left(data_dir)


async def test_a_kill_under_traffic_loses_nothing_and_leaves_nothing_running(
    port: int, data_dir: Path
) -> None:
    async with sandbox(port, data_dir) as served:
        await served.post(
            "/sandbox/customers/447700900456/messages", {"type": "text", "text": {"body": "Hi"}}
        )
        await served.post("/sandbox/faults", {"kind": "delay", "times": 1, "seconds": 60})
        before = await served.topics()
        send = asyncio.create_task(served.post(MESSAGES, TEXT | {"to": "+447700900456"}))

        async def has_left() -> bool:
            return "SendDispatched" in (await served.topics())[len(before) :]

        await until(has_left)
        code, _ = await served.stopped(signal.SIGKILL)
        assert code == -signal.SIGKILL
        with pytest.raises(aiohttp.ClientError):
            await send
    await nothing_is_left(data_dir)

    async with sandbox(port, data_dir) as served:
        topics = (await served.topics())[len(before) :]
        assert topics[:2] == ["SendRequested", "SendDispatched"]
        assert "SendAccepted" not in topics
        status, _ = await served.post(MESSAGES, TEXT | {"to": "+447700900456"})
        assert status == 200
        await served.stopped(signal.SIGINT)
    await nothing_is_left(data_dir)


async def test_a_killed_database_is_answered_with_503_and_comes_back(port: int, data_dir: Path) -> None:
    async with sandbox(port, data_dir) as served:
        pid = (data_dir / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)

        async def is_away() -> bool:
            return (await served.get("/ready"))[0] == 503

        await until(is_away)
        await until(served.ready)
        assert (await served.stopped(signal.SIGINT))[0] == 0
    await nothing_is_left(data_dir)


async def test_two_gateways_share_a_data_directory_and_the_last_one_stops_the_database(
    port: int, data_dir: Path
) -> None:
    async with sandbox(port, data_dir) as first:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            other = int(free.getsockname()[1])
        async with sandbox(other, data_dir) as second:
            assert (await first.stopped(signal.SIGINT))[0] == 0
            assert await second.ready()
            assert (await second.stopped(signal.SIGINT))[0] == 0
    await nothing_is_left(data_dir)


async def test_windows_are_imported_and_reported_beside_a_gateway_on_the_embedded_database(
    port: int, data_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "windows.csv"
    async with sandbox(port, data_dir) as served:
        now = datetime.fromisoformat((await served.get("/sandbox/clock"))[1]["now"])
        wrote = min(now, datetime.now(UTC)) - timedelta(seconds=1)
        file.write_text(f"line,contact,last_inbound\n{sandboxed.LINE},447700900789,{wrote.isoformat()}\n")
        where = ("--data-dir", str(data_dir))
        code, said = await ended("import", "windows", str(file), *where, LINES=sandboxed.LINE)
        assert (code, said.splitlines()[-1]) == (0, "recorded 1: their windows are open")
        assert "MessageReceived" in await served.topics()
        code, said = await ended("report", "observed", *where)
        assert (code, said.startswith("Sends from ")) == (0, True)
        code, said = await ended("report", "delivery", *where)
        assert (code, said.startswith("Sends let pass from ")) == (0, True)
        code, said = await ended("report", "refusals", "--format", "csv", *where)
        assert (code, said.split(",")[:2]) == (0, ["line", "reason"])
        code, said = await ended("report", "windows", "--format", "json", *where, LINES=sandboxed.LINE)
        assert (code, json.loads(said)["totals"]["open"] >= 1) == (0, True), "other tests' are open as well"
        assert (await served.stopped(signal.SIGINT))[0] == 0
    await nothing_is_left(data_dir)


async def test_a_destination_is_made_by_the_clock_of_its_sandbox(port: int, data_dir: Path) -> None:
    async with sandbox(port, data_dir) as served:
        now = (await served.post("/sandbox/clock", {"advance_seconds": 172_800}))[1]["now"]
        words = ("destinations", "add", "crm", "http://127.0.0.1:9/", "--data-dir", str(data_dir))
        code, said = await ended(*words, DESTINATIONS_PRIVATE="127.0.0.1")
        assert (code, "secret: " in said) == (0, True)
        [one] = (await served.get("/api/destinations"))[1]["destinations"]
        assert one["created_at"] >= now
        assert (await served.stopped(signal.SIGINT))[0] == 0
    await nothing_is_left(data_dir)


async def test_a_taken_port_is_said_in_words(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        message = (
            f"ledgerline: port {port} on 127.0.0.1 is taken by another process: choose another with --port\n"
        )
        code, said = await ended("serve", "--sandbox", "--port", port, "--data-dir", str(data_dir))
        assert code == 1
        assert said.endswith(message)
        assert "Traceback" not in said
        assert await ended("simulate", "--port", port) == (1, message)
        words = ("serve", "--workers", "2", "--port", port)
        assert await ended(*words, **LIVE, TIME_ZONE="Europe/London") == (1, message)
    await nothing_is_left(data_dir)


async def test_workers_of_which_none_can_start_stop_at_once_however_slow_the_machine(port: int) -> None:
    nowhere = LIVE | {"DATABASE_URL": "postgresql://u@127.0.0.1:9/x"}
    code, said = await ended("serve", "--workers", "2", "--port", str(port), **nowhere)
    assert code == 1
    assert "the database can't be used (ConnectionRefusedError)" in said
    assert said.splitlines()[-1] == (
        "ledgerline: a worker ended before any could listen; its own words stand above"
    )
    assert "Ledgerline listens" not in said


async def test_a_wrong_master_key_is_said_in_words(data_dir: Path, port: int) -> None:
    words = ("serve", "--sandbox", "--port", str(port), "--data-dir", str(data_dir))
    code, said = await ended(*words, MASTER_KEY=MASTER_KEY)
    assert code == 1
    assert said.splitlines()[-1].startswith("ledgerline: No LEDGERLINE_MASTER_KEY opens this log")
    assert "Traceback" not in said
    await nothing_is_left(data_dir)


async def test_a_database_that_does_not_answer_is_said_without_its_password(port: int) -> None:
    url = "postgresql://u:topsecret@127.0.0.1:9/x"
    code, said = await ended("serve", "--port", str(port), **LIVE, DATABASE_URL=url)
    assert code == 1
    assert said.splitlines()[-1].startswith("ledgerline: the database can't be used (ConnectionRefusedError)")
    assert "topsecret" not in said
    assert "Traceback" not in said


async def test_a_start_without_settings_names_all_of_them() -> None:
    code, said = await ended("serve")
    assert code == 2
    assert re.findall(r"^ledgerline: (\w+) is missing", said, re.MULTILINE) == [
        *("LEDGERLINE_APP_SECRETS", "LEDGERLINE_VERIFY_TOKEN", "LEDGERLINE_ACCESS_TOKEN"),
        *("LEDGERLINE_LINES", "LEDGERLINE_API_KEYS"),
    ]
    assert "Traceback" not in said


async def test_a_port_that_is_none_is_refused() -> None:
    code, said = await ended("serve", "--sandbox", "--port", "65536")
    assert code == 1
    assert "Must be <= 65535" in said


async def test_the_simulator_runs_alone_and_the_doctor_finds_all_well(port: int) -> None:
    async with listening(port, "simulate") as served:
        code, said = await ended(
            "doctor",
            **LIVE
            | {
                "ACCESS_TOKEN": sandboxed.ACCESS_TOKEN,
                "LINES": sandboxed.LINE,
                "WABA": sandboxed.WABA,
                "UPSTREAM_URL": f"http://127.0.0.1:{port}",
                "TIME_ZONE": "Europe/London",
            },
        )
        assert code == 0, said
        assert [line.split()[0] for line in said.splitlines()] == ["ok", "ok", "ok"]
        code, said = await served.stopped(signal.SIGINT)
        assert code == 0
    exports = [line.removeprefix("export ") for line in said.splitlines() if line.startswith("export ")]
    assert f"LEDGERLINE_UPSTREAM_URL=http://127.0.0.1:{port}" in exports
    assert f"LEDGERLINE_ACCESS_TOKEN={sandboxed.ACCESS_TOKEN}" in exports
    assert (await ended("doctor", **LIVE, UPSTREAM_URL=f"http://127.0.0.1:{port}"))[0] == 1


@pytest.mark.parametrize("words", ["report billing", "rates list", "projections checksum", "rebuild --all"])
async def test_who_only_asks_makes_no_log_where_there_is_none(words: str, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    code, said = await ended(*words.split(), "--data-dir", str(nowhere))
    assert code == 1
    assert said.startswith(f"ledgerline: {nowhere} holds no log: choose its place with --data-dir, or name")
    assert not nowhere.exists()
