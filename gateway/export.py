"""`ledgerline audit export`: a range of the log as JSON Lines, the same bytes for the same range.

A line is one event: place, topic and state as stored, keys in order. A manifest with the sums of all files is
written last, so that a folder without one is an export that did not end.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import asyncpg
import orjson

from domain.events import Event, Recorded
from gateway.store.codec import decode
from gateway.store.postgres import Pool, Postgres
from projections.sql import load

PAGE: Final = 2_000
FILE: Final = 100_000
"""Events of a file."""
MANIFEST: Final = "manifest.json"
_EVENTS: Final = "events-*.jsonl"


class ExportError(Exception):
    """Why nothing, or no more, is exported."""


class Opening(Protocol):
    """Who opens what is sealed (gateway/store/opening.py)."""

    async def open(self, events: Sequence[Event]) -> list[dict[str, Any] | None]:
        """The content of each event; None where nothing is sealed, or its key is gone."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of an export."""

    name: str
    first: int
    """Position of its first event."""
    last: int
    events: int
    bytes: int
    sha256: str


async def export(
    pool: Pool, schema: str, folder: Path, *, first: int, last: int | None, opener: Opening | None
) -> Sequence[File]:
    """Write the events from position `first` to `last`, both included; without `last` to where the log ends.

    `opener`: adds what is sealed, opened, as long as its key is there. Raises ExportError.
    """
    log = Postgres(pool, schema)
    log_id, _ = await log.identity()
    head = await log.head()
    last = head if last is None else last
    if not 1 <= first <= last <= head:
        raise ExportError(f"there are no positions {first} to {last}: the log holds 1 to {head}")
    with _writing(folder):
        _empty(folder)
    files = [file async for file in _files(pool, schema, folder, (first, last), opener)]
    manifest = {
        "log": str(log_id),
        "from": first,
        "to": last,
        "events": sum(file.events for file in files),
        "opened": opener is not None,
        "release": importlib.metadata.version("ledgerline"),
        "files": [asdict(file) for file in files],
    }
    with _writing(folder):
        _write_whole(folder / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
    return files


def _empty(folder: Path) -> None:
    """Make the folder, or take one that an interrupted export has left."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (folder / MANIFEST).exists():
        raise ExportError(f"{folder} holds an export already: choose another folder")
    for left in folder.glob(_EVENTS):
        left.unlink()


async def _files(
    pool: Pool, schema: str, folder: Path, span: tuple[int, int], opener: Opening | None
) -> AsyncIterator[File]:
    pages = _pages(pool, schema, *span, opener)
    page = await anext(pages, None)
    while page:
        name = f"events-{page[0][0]:012}.jsonl"
        first, last, events, size, digest = page[0][0], 0, 0, 0, hashlib.sha256()
        with _private(folder / name) as target:
            while page and events < FILE:
                taken, page = page[: FILE - events], page[FILE - events :]
                data = b"".join(line for _, line in taken)
                with _writing(folder):
                    target.write(data)
                    target.flush()
                digest.update(data)
                last, events, size = taken[-1][0], events + len(taken), size + len(data)
                page = page or await anext(pages, None)
            with _writing(folder):
                os.fsync(target.fileno())
        yield File(name, first, last, events, size, digest.hexdigest())


async def _pages(
    pool: Pool, schema: str, first: int, last: int, opener: Opening | None
) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Positions and lines."""
    sql, after = load("gateway.store", "queries.sql", schema)["after"], first - 1
    while after < last:
        rows = await pool.fetch(sql, after, min(PAGE, last - after))
        rows = [row for row in rows if row["notification_id"] <= last]
        if not rows:
            return
        opened = await _opened(rows, opener) if opener else [{}] * len(rows)
        yield [(row["notification_id"], _line(row, more)) for row, more in zip(rows, opened, strict=True)]
        after = rows[-1]["notification_id"]


async def _opened(rows: Sequence[asyncpg.Record], opener: Opening) -> list[dict[str, Any]]:
    items = [decode(*row) for row in rows]
    events = [item.event for item in items if isinstance(item, Recorded)]
    content = iter(await opener.open(events))
    found: list[dict[str, Any]] = []
    for item in items:
        one = next(content) if isinstance(item, Recorded) else None
        is_gone = isinstance(item, Recorded) and item.event.sealed is not None and one is None
        found.append({"opened": one} if one is not None else {"erased": True} if is_gone else {})
    return found


def _line(row: asyncpg.Record, more: Mapping[str, Any]) -> bytes:
    event = {
        "position": row["notification_id"],
        "stream": str(row["originator_id"]),
        "version": row["originator_version"],
        "topic": row["topic"],
        **_state(row["state"]),
        **more,
    }
    try:
        return orjson.dumps(event, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a lone surrogate, an integer over 64 bits
        return json.dumps(event, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _state(state: bytes) -> dict[str, Any]:
    """What is no JSON is given as it is, in hexadecimal digits."""
    try:
        return {"state": orjson.loads(state)}
    except orjson.JSONDecodeError:
        pass
    try:
        return {"state": json.loads(state)}
    except ValueError:
        return {"state_hex": state.hex()}


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"{folder} can't be written: {error.strerror}") from None


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _write_whole(path: Path, data: bytes) -> None:
    """All of it or nothing."""
    part = path.with_suffix(".part")
    with _private(part) as target:
        target.write(data)
        target.flush()
        os.fsync(target.fileno())
    part.rename(path)
