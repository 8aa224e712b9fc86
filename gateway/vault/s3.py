"""Objects in a bucket of an S3-compatible store, each as pieces of 4 MB that are stored and read whole.

There are no multipart uploads: what a killed writer leaves of one is invisible, and paid for. Nor ranges,
which not every such server answers as S3 does.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from typing import Final
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from gateway.vault.store import MissingError, StoreError

PIECE: Final = 4 * 1024 * 1024
"""Bytes; part of how objects are stored, so it never changes."""


class S3:
    """A bucket, or a prefix in it."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def write(self, object_id: UUID, chunks: AsyncIterable[bytes]) -> None:
        """Each piece is stored once it is whole."""
        number, waiting = 0, bytearray()
        try:
            async for chunk in chunks:
                waiting += chunk
                while len(waiting) >= PIECE:
                    await self._put(object_id, number, bytes(waiting[:PIECE]))
                    del waiting[:PIECE]
                    number += 1
            await self._put(object_id, number, bytes(waiting))
        except BaseException:
            with contextlib.suppress(StoreError):
                await self.remove(object_id)
            raise

    async def read(self, object_id: UUID, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Read the pieces that hold the part."""
        while start < stop:
            number, offset = divmod(start, PIECE)
            with _failing():
                result = await obstore.get_async(self._store, _name(object_id, number))
                piece = bytes(await result.bytes_async())
            wanted = piece[offset : offset + stop - start]
            if not wanted:
                return
            start += len(wanted)
            yield wanted

    async def remove(self, object_id: UUID) -> None:
        """Remove every piece that there is."""
        with _failing():
            found = await obstore.list(self._store, f"{object_id.hex}/").collect_async()
            for one in found:
                await obstore.delete_async(self._store, one["path"])

    async def _put(self, object_id: UUID, number: int, piece: bytes) -> None:
        with _failing():
            await obstore.put_async(self._store, _name(object_id, number), piece, use_multipart=False)


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:  # what the client makes of 404
        raise MissingError from None
    except (BaseError, OSError) as error:
        raise StoreError(type(error).__name__) from None


def _name(object_id: UUID, number: int) -> str:
    return f"{object_id.hex}/{number:06}"
