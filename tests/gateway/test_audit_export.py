"""The log as files: the same bytes for the same range, and nothing in the clear unless asked for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from running import ANN, MASTER_KEY, Running
from test_command import ended

from gateway import audit, export
from gateway.app import Databases
from gateway.audit import AuditError

TEXT = "Where is my order?"
KEYS = {"MASTER_KEY": MASTER_KEY}
ODD = """
insert into ledgerline.stored_events
select gen_random_uuid(), 1, 'Later', '\\x00ff', max(notification_id) + 1 from ledgerline.stored_events
"""


async def exported(database: str, folder: Path, *words: str, **variables: str) -> dict[str, bytes]:
    """Run the command; the files by their names."""
    given = KEYS | variables
    code, said = await ended("audit", "export", "--out", str(folder), *words, DATABASE_URL=database, **given)
    assert code == 0, said
    return held(folder)


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def lines(files: dict[str, bytes]) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for name, data in files.items()
        if name != export.MANIFEST
        for line in data.splitlines()
    ]


async def lived(running: Running) -> int:
    """The last position of a history."""
    await running.writes(type="text", text={"body": TEXT})
    await running.text()
    await running.settled()
    return int((await running.get("/ready"))[1]["head"])


async def test_the_same_range_gives_the_same_bytes_however_the_log_goes_on(
    running: Running, database: str, tmp_path: Path
) -> None:
    head = await lived(running)
    first = await exported(database, tmp_path / "a")
    await running.writes()
    again = await exported(database, tmp_path / "b", "--to", str(head))

    assert first == again
    found = lines(first)
    assert [one["position"] for one in found] == list(range(1, head + 1))
    assert {"MessageReceived", "SendRequested", "SendAccepted"} <= {one["topic"] for one in found}
    manifest = json.loads(first[export.MANIFEST])
    assert (manifest["from"], manifest["to"], manifest["events"]) == (1, head, head)
    assert manifest["log"] == str(running.gateway.log.log_id)
    for file in manifest["files"]:
        data = first[file["name"]]
        assert (file["sha256"], file["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))


async def test_sealed_stays_sealed_unless_opened(running: Running, database: str, tmp_path: Path) -> None:
    await lived(running)
    sealed = await exported(database, tmp_path / "sealed")
    assert not any(ANN.encode() in data or TEXT.encode() in data for data in sealed.values())
    opened = await exported(database, tmp_path / "opened", "--open")

    came = next(one for one in lines(opened) if one["topic"] == "MessageReceived")
    assert TEXT in json.dumps(came["opened"])
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "opened").iterdir()} == {0o600}
    assert json.loads(opened[export.MANIFEST])["opened"]
    for one in lines(opened):
        one.pop("opened", None)
        assert one in lines(sealed)

    await running.gateway.pool.execute("delete from ledgerline.person_keys")
    erased = lines(await exported(database, tmp_path / "erased", "--open"))
    assert next(one for one in erased if one["topic"] == "MessageReceived")["erased"] is True
    assert lines(await exported(database, tmp_path / "later")) == lines(sealed)


async def test_a_key_that_does_not_open_the_log_is_refused(
    running: Running, database: str, tmp_path: Path
) -> None:
    await lived(running)
    words = ("audit", "export", "--out", str(tmp_path / "x"), "--open")
    code, said = await ended(*words, DATABASE_URL=database, MASTER_KEY="A" * 43 + "=")
    assert (code, (tmp_path / "x").exists()) == (1, False)
    assert "LEDGERLINE_MASTER_KEY" in said


async def save(database: str, folder: Path, first: int = 1, last: int | None = None) -> None:
    databases = Databases(database, database, ())
    await audit.export_log(
        databases, "ledgerline", folder, first=first, last=last, opened=False, say=lambda _: None
    )


async def test_files_are_of_so_many_events_whatever_the_pages(
    running: Running, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = await lived(running)
    monkeypatch.setattr(export, "FILE", 3)
    for pages in (1, 2, 5):
        monkeypatch.setattr(export, "PAGE", pages)
        await save(database, tmp_path / str(pages), first=2)
    one, two, five = (held(tmp_path / str(pages)) for pages in (1, 2, 5))

    assert one == two == five
    files = json.loads(one[export.MANIFEST])["files"]
    assert [(file["first"], file["events"]) for file in files[:-1]] == [
        (position, 3) for position in range(2, head - 2, 3)
    ]
    assert sum(file["events"] for file in files) == head - 1


async def test_what_is_no_json_is_exported_too(running: Running, database: str, tmp_path: Path) -> None:
    await lived(running)
    db = await asyncpg.connect(database)
    await db.execute(ODD)
    await db.close()
    assert lines(await exported(database, tmp_path / "out", "--open"))[-1]["state_hex"] == "00ff"


async def test_an_export_that_was_interrupted_has_no_manifest_and_can_be_repeated(
    running: Running, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lived(running)
    monkeypatch.setattr(export, "FILE", 2)
    real = export.os.fsync

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.os, "fsync", full)
    with pytest.raises(AuditError, match=r"can't be written: No space left on device"):
        await save(database, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["events-000000000001.jsonl"]

    monkeypatch.setattr(export.os, "fsync", real)
    await save(database, tmp_path / "out", first=2)
    assert not (tmp_path / "out" / "events-000000000001.jsonl").exists()
    with pytest.raises(AuditError, match="holds an export already"):
        await save(database, tmp_path / "out")


async def test_positions_that_are_not_there_are_refused(
    running: Running, database: str, tmp_path: Path
) -> None:
    head = await lived(running)
    for first, last in ((0, 3), (3, 2), (1, head + 1), (head + 1, None)):
        with pytest.raises(AuditError, match=f"the log holds 1 to {head}"):
            await save(database, tmp_path / "out", first=first, last=last)
