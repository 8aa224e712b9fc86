"""Objects as files of a folder, spread over 256 folders in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from gateway.vault.store import MissingError, StoreError

PIECE: Final = 1024 * 1024
"""Bytes that are read or written in one go."""


class Disk:
    """A folder that nobody else writes to; several gateways may share it over a network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, object_id: UUID, chunks: AsyncIterable[bytes]) -> None:
        """A file gets its name once it is whole and on the disk."""
        part = self._part(object_id)
        try:
            with _failing():
                file = await asyncio.to_thread(_begin, part)
            try:
                async for piece in _pieces(chunks):
                    with _failing():
                        await asyncio.to_thread(file.write, piece)
                with _failing():
                    await asyncio.to_thread(_end, file, part, self._path(object_id))
            finally:
                with contextlib.suppress(OSError):  # of a full disk, once more
                    file.close()
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    async def read(self, object_id: UUID, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Read in pieces; a file that is shorter ends early."""
        with _failing():
            file = await asyncio.to_thread(_opened, self._path(object_id), start)
        try:
            while start < stop:
                with _failing():
                    piece = await asyncio.to_thread(file.read, min(PIECE, stop - start))
                if not piece:
                    return
                start += len(piece)
                yield piece
        finally:
            file.close()

    async def remove(self, object_id: UUID) -> None:
        """Unlink it, and what a killed writer left of it."""
        with _failing():
            await asyncio.to_thread(_unlink, self._path(object_id), self._part(object_id))

    def _path(self, object_id: UUID) -> Path:
        return self._folder / object_id.hex[:2] / object_id.hex

    def _part(self, object_id: UUID) -> Path:
        return self._path(object_id).with_suffix(".part")


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise MissingError from None
    except OSError as error:
        raise StoreError(type(error).__name__) from None


async def _pieces(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= PIECE:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _begin(part: Path) -> BinaryIO:
    part.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part.parent.mkdir(mode=0o700, exist_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _end(file: BinaryIO, part: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    part.replace(path)
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _opened(path: Path, start: int) -> BinaryIO:
    file = path.open("rb")
    file.seek(start)
    return file


def _unlink(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
