"""`ledgerline import consents`: what people chose before the gateway."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from running import ANN, LINE, MASTER_KEY, Running

from domain.csv_rows import UnreadableError
from gateway.app import utc_now
from gateway.imports.consents import check

COMMAND = (sys.executable, "-c", "from gateway.cli import main; main()")
ROOT = Path(__file__).parents[2]
BOB = "447700900456"
USER_ID = "GB.13491208655302741918"
HEADER = "contact,category,value,at,source,text"
STOP = f"{ANN},all,stop,2026-11-01T10:00:00Z,,"
RESUME = f'+{BOB},marketing,resume,2026-11-02T10:00:00+01:00,shop till,"Yes, offers please"'
OF_ID = f"{USER_ID},marketing_messages,stop,2026-11-01T10:00:00Z,app,"


async def imported(database: str, path: Path, *words: str) -> tuple[int, str]:
    """Run the command on a database: exit code, and all it said."""
    known = {"DATABASE_URL": database, "MASTER_KEY": MASTER_KEY, "LINES": LINE}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERLINE_")}
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "import", "consents", str(path), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=clean | {"PYTHONPATH": str(ROOT)} | {f"LEDGERLINE_{name}": one for name, one in known.items()},
        cwd=tempfile.gettempdir(),
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def written(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "choices.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


async def known(running: Running, contact: str) -> dict[str, Any]:
    status, answer = await running.get(f"/api/people/{contact}/consents")
    assert status == 200, answer
    return dict(answer)


async def test_choices_are_recorded_once_beside_a_running_gateway(
    running: Running, database: str, tmp_path: Path
) -> None:
    path = written(tmp_path, STOP, RESUME, OF_ID, "", STOP)

    assert await imported(database, path) == (0, "recorded 3\nknown    1: told before\n")
    assert await imported(database, path) == (0, "recorded 0\nknown    4: told before\n")

    ann, bob, other = [await known(running, contact) for contact in (ANN, BOB, USER_ID)]
    assert (ann["all"]["state"], ann["all"]["source"]) == ("stop", "import")
    assert (bob["marketing"]["state"], bob["opted_in"], bob["all"]) == ("resume", True, None)
    assert other["marketing"]["state"] == "stop"
    [event] = bob["history"]
    assert event["data"]["opened"] == {
        "contact": BOB,
        "source": "shop till",
        "text": "Yes, offers please",
    }
    told = {"category": "all", "value": "stop", "at": "2026-11-01T10:00:00Z"}
    assert (await running.post(f"/api/people/{ANN}/consents", told))[0] == 200, "the API knows it too"


@pytest.mark.parametrize(
    ("row", "right"),
    [
        (STOP.replace(ANN, "ann"), "contact must be a phone number"),
        (STOP.replace("all", "some"), "category must be marketing or all"),
        (STOP.replace("stop", "halt"), "value must be stop or resume"),
        (STOP.replace("Z", ""), "at must be a time with a zone"),
        (STOP.replace("2026", "2999"), "not in the future"),
        (RESUME.replace("shop till", ""), "source must be given"),
        (STOP + ",", "has 7 columns, not 6"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, row: str, right: str) -> None:
    checked = check(written(tmp_path, STOP, row), lines=[LINE], now=utc_now())

    [problem] = checked.problems
    assert problem.startswith("line 3: ")
    assert right in problem
    assert len(checked.choices) == 1


async def test_one_wrong_line_and_nothing_is_recorded(
    running: Running, database: str, tmp_path: Path
) -> None:
    status, said = await imported(database, written(tmp_path, STOP, "x"))

    assert (status, said.count("line 3: has 1 columns, not 6")) == (1, 1)
    assert "nothing was imported" in said
    assert await running.events("ConsentChanged") == []


async def test_the_operator_may_leave_wrong_lines_out(
    running: Running, database: str, tmp_path: Path
) -> None:
    path = written(tmp_path, "x,y", STOP + f",{LINE}", STOP + ",1", header=HEADER + ",line")

    status, said = await imported(database, path, "--skip-bad")

    assert status == 0
    assert f"line 4: line must be a configured one: {LINE}" in said
    assert "recorded 1\nskipped  2: wrong lines, named above\n" in said
    assert len(await running.events("ConsentChanged")) == 1


@pytest.mark.parametrize("content", [b"contact,value\n", b"\xff\xfe", b"", None, HEADER.encode() + b'\n"x\n'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "choices.csv"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UnreadableError):
        check(path, lines=[LINE], now=utc_now())
