"""Three kinds of secret: the master key wraps, the pepper makes keyed ids, subject keys seal.

A sealed field is base64 of: version (1 byte), subject (16), nonce (12), AES-256-GCM ciphertext. Its
associated data is log id, stream, topic, key and subject, so that no sealed field can be moved to another
event. The stream's version and the position are given later and can't be bound.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.inbound import wire

KEY_BYTES: Final = 32
_NONCE: Final = 12
_VERSION: Final = b"\x01"
_HEAD: Final = 1 + 16 + _NONCE


class WrongMasterKeyError(Exception):
    """No LEDGERLINE_MASTER_KEY opens this log: give the one it was made with (several, with commas)."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A secret under a master key, which it names."""

    data: bytes
    master_id: str


class Masters:
    """The master keys: the first wraps, all unwrap."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys`: 32 bytes each, at least one."""
        self._first = _id(keys[0])
        self._ciphers = {_id(key): AESGCM(key) for key in keys}

    def wrap(self, secret: bytes, bound_to: bytes) -> Wrapped:
        """Encrypt a secret; `bound_to` must be given again to open it."""
        nonce = os.urandom(_NONCE)
        return Wrapped(nonce + self._ciphers[self._first].encrypt(nonce, secret, bound_to), self._first)

    def unwrap(self, wrapped: Wrapped, bound_to: bytes) -> bytes:
        """Decrypt a secret. Raises WrongMasterKeyError."""
        cipher = self._ciphers.get(wrapped.master_id)
        if cipher is None:
            raise WrongMasterKeyError
        try:
            return cipher.decrypt(wrapped.data[:_NONCE], wrapped.data[_NONCE:], bound_to)
        except InvalidTag:
            raise WrongMasterKeyError from None


def new_key() -> bytes:
    """A fresh random key."""
    return os.urandom(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """What seals the data of one subject in one month."""

    subject: UUID
    cipher: AESGCM

    def seal(self, content: dict[str, Any], associated: bytes) -> str:
        """Encrypt personal data."""
        nonce = os.urandom(_NONCE)
        text = self.cipher.encrypt(nonce, _dumps(content), associated + self.subject.bytes)
        return base64.b64encode(_VERSION + self.subject.bytes + nonce + text).decode()

    def open(self, sealed: str, associated: bytes) -> dict[str, Any]:
        """Decrypt. Raises InvalidTag for what was sealed for another event, or changed."""
        data = binascii.a2b_base64(sealed)
        nonce, text = data[17:_HEAD], data[_HEAD:]
        return _loads(self.cipher.decrypt(nonce, text, associated + self.subject.bytes))


def subject_of(sealed: str) -> UUID:
    """Whose key a sealed field needs."""
    # 24 characters are 18 bytes: the version and the subject.
    return _subject(binascii.a2b_base64(sealed[:24])[1:17])


@lru_cache(20_000)
def _subject(data: bytes) -> UUID:
    """The same few come again and again, and one object is found faster than equal ones."""
    return UUID(bytes=data)


def month_of(recorded_at: datetime) -> int:
    """Which of a subject's keys seals what was recorded then: 202611 for November 2026 in UTC."""
    at = recorded_at if recorded_at.tzinfo is UTC else recorded_at.astimezone(UTC)
    return at.year * 100 + at.month


def bound_to(log_id: UUID, subject: UUID, month: int) -> bytes:
    """What a wrapped subject key is bound to: it opens nowhere else."""
    return log_id.bytes + subject.bytes + month.to_bytes(4, "big")


def pepper_bound_to(log_id: UUID) -> bytes:
    """What the wrapped pepper of a log is bound to."""
    return log_id.bytes + b"pepper"


def associated_data(log_id: UUID, stream: UUID, topic: str, key: bytes) -> bytes:
    """What a sealed field is bound to, beside its subject; `key`: the dedupe key's 16 bytes."""
    return log_id.bytes + stream.bytes + key + topic.encode()


def _id(key: bytes) -> str:
    return hashlib.sha256(b"ledgerline master key" + key).hexdigest()[:16]


def _dumps(content: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(content)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(content).encode()


def _loads(data: bytes) -> dict[str, Any]:
    """What orjson wrote it reads, exactly and fast; what it refused has spaces after its colons.

    That is read as a callback is: orjson would make long integers inexact.
    """
    content: dict[str, Any] = wire.load(data) if b'": ' in data else orjson.loads(data)
    return content
