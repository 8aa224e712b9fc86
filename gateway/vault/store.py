"""Where the vault's objects lie: on a disk or in an S3-compatible store, by one contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol
from uuid import UUID


class StoreError(Exception):
    """The store failed; `cause` is the class of what went wrong, never a text with a place or secret."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"the media store failed ({cause})")
        self.cause = cause


class MissingError(StoreError):
    """The store has no such object."""

    def __init__(self) -> None:
        super().__init__("Missing")


class Store(Protocol):
    """Objects of any size by random ids; every method raises StoreError when the store fails."""

    async def write(self, object_id: UUID, chunks: AsyncIterable[bytes]) -> None:
        """Store all chunks, durably; on any error, of `chunks` too, which is raised, nothing is left."""

    def read(self, object_id: UUID, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Bytes `start` to before `stop`, in pieces; MissingError where the object is not."""

    async def remove(self, object_id: UUID) -> None:
        """Remove an object, whole or half written; none is fine."""
