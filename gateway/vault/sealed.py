"""A file as the vault stores it: chunks under AES-256-GCM, so that a part is opened without the rest.

Chunk n is the ciphertext and tag of bytes n * CHUNK to (n + 1) * CHUNK of the file; the last one may be
shorter, and an empty file has one empty chunk. Its nonce is n (11 bytes, big-endian) and 1 for the last
chunk, else 0: chunks can't be left out, swapped or cut off. The associated data is the object's id. A key
seals one file only.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK: Final = 64 * 1024
"""Bytes of the file in a chunk."""
_TAG: Final = 16
_SEALED: Final = CHUNK + _TAG


class DamagedError(Exception):
    """What is stored is not what was sealed: changed, cut off, or another object's."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True, slots=True)
class Span:
    """The chunks that hold a part of a file."""

    first: int
    start: int
    """Where they begin in the object."""
    stop: int
    """Where they end in the object."""


class Seal:
    """Seals and opens one file."""

    def __init__(self, key: bytes, object_id: UUID) -> None:
        """`key`: 32 bytes, for this file alone."""
        self._cipher = AESGCM(key)
        self._bound = object_id.bytes

    async def close(self, content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Chunks to store, of a content that comes in pieces of any size."""
        number, waiting = 0, bytearray()
        async for piece in content:
            waiting += piece
            while len(waiting) > CHUNK:  # one is held back: it may be the last
                yield self._closed(number, bytes(waiting[:CHUNK]), last=False)
                del waiting[:CHUNK]
                number += 1
        yield self._closed(number, bytes(waiting), last=True)

    async def open(
        self, stored: AsyncIterable[bytes], span: Span, size: int
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Each chunk's place in the file and its bytes. `stored`: the object from span.start to span.stop.

        Raises DamagedError.
        """
        number, last, waiting = span.first, _last(size), bytearray()
        async for piece in stored:
            waiting += piece
            while len(waiting) >= _SEALED and number < last:
                yield number * CHUNK, self._opened(number, bytes(waiting[:_SEALED]), last=False)
                del waiting[:_SEALED]
                number += 1
        if number == last and span.stop == sealed_size(size):
            yield number * CHUNK, self._opened(number, bytes(waiting), last=True)
        elif waiting or number * _SEALED != span.stop:
            raise DamagedError

    def _closed(self, number: int, data: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(_nonce(number, last=last), data, self._bound)

    def _opened(self, number: int, data: bytes, *, last: bool) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(number, last=last), data, self._bound)
        except InvalidTag:
            raise DamagedError from None


def span_of(start: int, stop: int, size: int) -> Span:
    """The chunks that hold bytes `start` to before `stop` of a file of `size` bytes."""
    first, last = start // CHUNK, max(stop - 1, 0) // CHUNK
    return Span(first, first * _SEALED, min((last + 1) * _SEALED, sealed_size(size)))


def sealed_size(size: int) -> int:
    """Bytes of the object of a file of `size` bytes."""
    return size + (_last(size) + 1) * _TAG


def _last(size: int) -> int:
    return max(size - 1, 0) // CHUNK


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
