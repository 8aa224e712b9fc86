"""`ledgerline import windows`: what another system knows of who wrote when."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from running import ANN, LINE, MASTER_KEY, Running, Start

from gateway.app import utc_now
from gateway.imports.windows import Checked, Wrong, check

COMMAND = (sys.executable, "-c", "from gateway.cli import main; main()")
ROOT = Path(__file__).parents[2]
BOB = "447700900456"
USER_ID = "GB.13491208655302741918"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADER = "line,contact,last_inbound"


async def imported(database: str, path: Path, **variables: str) -> tuple[int, str]:
    """Run the command on a database: exit code, and all it said."""
    known = {"DATABASE_URL": database, "MASTER_KEY": MASTER_KEY, "LINES": LINE} | variables
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERLINE_")}
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "import", "windows", str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=clean | {"PYTHONPATH": str(ROOT)} | {f"LEDGERLINE_{name}": one for name, one in known.items()},
        cwd=tempfile.gettempdir(),
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def written(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def ago(**span: float) -> datetime:
    return (utc_now() - timedelta(**span)).replace(microsecond=0)


async def window(running: Running, contact: str) -> tuple[int, Any]:
    return await running.get(f"/api/lines/{LINE}/conversations/{contact}/window")


async def test_an_import_opens_windows_beside_a_running_gateway(
    running: Running, database: str, tmp_path: Path
) -> None:
    assert (await running.text())[0] == 400
    wrote = ago(hours=2)
    file = written(
        tmp_path / "windows.csv",
        f"{LINE},+{ANN},{wrote.isoformat()}",
        f"{LINE},{BOB},{int(ago(hours=1).timestamp())}",
        f"{LINE},{USER_ID},{wrote.isoformat()}",
        f"{LINE},{ANN},{int(wrote.timestamp())}",
        f"{LINE},447700900789,{ago(hours=25).isoformat()}",
    )
    code, said = await imported(database, file)
    assert (code, said.splitlines()) == (
        0,
        ["recorded 3: their windows are open", "skipped  1: older than 24 hours, so they open nothing"],
    )
    for contact in (ANN, BOB, USER_ID):
        assert (await window(running, contact))[1]["open"]
    _, found = await window(running, ANN)
    assert found["open_until"] == (wrote + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await window(running, "447700900789"))[0] == 404
    assert (await running.text())[0] == 200

    code, said = await imported(database, file)
    assert (code, said.splitlines()[:2]) == (
        0,
        ["recorded 0: their windows are open", "known    3: imported before"],
    )
    assert len(await running.events("MessageReceived")) == 3


async def test_an_import_is_no_webhook_and_no_message_of_the_counts(
    running: Running, database: str, tmp_path: Path
) -> None:
    file = written(tmp_path / "windows.csv", f"{LINE},{ANN},{ago(hours=1).isoformat()}")
    assert (await imported(database, file))[0] == 0
    await running.settled()

    [event] = await running.events("MessageReceived")
    shown = ("type", "source", "opens", "market")
    assert [event["data"][name] for name in shown] == ["imported", "import", "assumed", "44"]
    assert event["data"]["opened"] == {"from": ANN}
    _, counts = await running.get("/api/reports/counts")
    assert (counts["rows"], counts["as_of"]) == ([], 1)
    _, lines = await running.get("/api/lines")
    assert lines["lines"][0]["last_webhook_at"] is None


async def test_whatsapps_own_word_beats_an_import(start: Start, database: str, tmp_path: Path) -> None:
    async with start() as running:
        file = written(tmp_path / "windows.csv", f"{LINE},{ANN},{ago(hours=1).isoformat()}")
        assert (await imported(database, file))[0] == 0
        assert (await running.text())[0] == 200
        await running.settled()
        assert not (await window(running, ANN))[1]["open"]
        assert (await running.text())[0] == 400


async def test_a_bad_file_records_nothing_and_names_every_line(
    running: Running, database: str, tmp_path: Path
) -> None:
    good = ago(hours=1).isoformat()
    file = written(
        tmp_path / "windows.csv",
        f"{LINE},{ANN},{good}",
        f"123,{ANN},{good}",
        f"{LINE},Ann,yesterday",
        f"{LINE},{ANN}",
        f"{LINE},{ANN},{ago(hours=-1).isoformat()}",
    )
    code, said = await imported(database, file)
    assert code == 1
    assert [line.split(": ")[1] for line in said.splitlines()[:-1]] == [
        *("line 3", "line 4", "line 4", "line 5", "line 6")
    ]
    assert said.splitlines()[-1] == "ledgerline: 5 problem(s); nothing was imported"
    assert ANN not in said
    assert await running.events() == []


async def test_what_the_command_lacks_is_said_in_words(database: str, tmp_path: Path) -> None:
    file = written(tmp_path / "windows.csv")
    code, said = await imported(database, file, LINES="")
    assert (code, said.startswith("ledgerline: LEDGERLINE_LINES is missing")) == (2, True)
    code, said = await imported(database, file, MASTER_KEY="")
    assert (code, said.startswith("ledgerline: LEDGERLINE_MASTER_KEY is missing")) == (2, True)
    code, said = await imported("postgresql://u:topsecret@127.0.0.1:9/x", file)
    assert (code, "the database can't be used (ConnectionRefusedError)" in said) == (1, True)
    assert "topsecret" not in said
    code, said = await imported(database, tmp_path / "none.csv")
    assert (code, "No such file" in said, "Traceback" in said) == (1, True, False)


def checked(path: Path, *rows: str, **more: str) -> Checked | Wrong:
    return check(written(path / "windows.csv", *rows, **more), lines=(LINE,), now=NOW)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-23T09:30:00Z",
        "2026-11-23T10:30:00+01:00",
        "2026-11-23 09:30:00.400+00:00",
        "1795426200",
    ],
)
@pytest.mark.parametrize("contact", ["447700900123", "+447700900123", " 447700900123 "])
def test_times_and_contacts_may_be_written_in_several_ways(tmp_path: Path, time: str, contact: str) -> None:
    found = checked(tmp_path, f"{LINE},{contact},{time}")
    assert isinstance(found, Checked)
    assert [(one.contact.value, one.at) for one in found.inbound] == [(ANN, 1_795_426_200)]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f"{LINE},{ANN},2026-11-23T09:30:00", "must be a time with a zone"),
        (f"{LINE},{ANN},1795426200000", "must be a time with a zone"),
        (f"{LINE},{ANN},0", "must be a time with a zone"),
        (f"{LINE},{ANN},", "must be a time with a zone"),
        (f"{LINE},{ANN},{'9' * 5000}", "must be a time with a zone"),
        (f"{LINE},{ANN},2026-11-23T12:00:01Z", "lies in the future"),
        (f"{LINE},4.477E+11,2026-11-23T09:30:00Z", "contact must be a phone number in digits"),
        (f"{LINE},,2026-11-23T09:30:00Z", "contact must be a phone number in digits"),
        (f",{ANN},2026-11-23T09:30:00Z", "line is not configured; these are"),
        (f'{LINE},"{ANN},2026', "is no CSV"),
        (f"{LINE},{ANN},2026-11-23T09:30:00Z,more", "has 4 columns, not 3"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, row: str, problem: str) -> None:
    found = checked(tmp_path, f"{LINE},{ANN},2026-11-23T09:30:00Z", "", row)
    assert isinstance(found, Wrong)
    [said] = found.problems
    assert said.startswith("line 4: ")
    assert problem in said


@pytest.mark.parametrize(
    "header", ["", "line;contact;last_inbound", "contact,last_inbound", f"{LINE},{ANN},1"]
)
def test_the_header_must_name_the_columns(tmp_path: Path, header: str) -> None:
    found = checked(tmp_path, header=header)
    assert found == Wrong(["line 1: must be the header line,contact,last_inbound, with commas between"])


def test_columns_may_stand_in_any_order_behind_a_byte_order_mark(tmp_path: Path) -> None:
    found = checked(tmp_path, f"{ANN},1795426200,{LINE}", header="\ufeffContact,Last_inbound,Line")
    assert isinstance(found, Checked)
    assert len(found.inbound) == 1


def test_a_file_in_another_encoding_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "windows.csv"
    path.write_bytes(HEADER.encode("utf-16"))
    found = check(path, lines=(LINE,), now=NOW)
    assert isinstance(found, Wrong)
    assert found.problems == [f"{path}: is not UTF-8; save it as CSV UTF-8"]


def test_what_is_a_day_old_opens_nothing(tmp_path: Path) -> None:
    found = checked(tmp_path, f"{LINE},{ANN},2026-11-22T12:00:00Z", f"{LINE},{ANN},2026-11-22T12:00:01Z")
    assert isinstance(found, Checked)
    assert (len(found.inbound), found.skipped) == (1, 1)
