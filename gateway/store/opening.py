"""Open what is sealed in events: the content, or nothing where its key is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.events import Event
from gateway.store.keyring import (
    KEY_BYTES,
    Masters,
    SubjectKey,
    Wrapped,
    associated_data,
    bound_to,
    month_of,
    subject_of,
)
from gateway.store.postgres import Pool
from projections.sql import load

KEPT: Final = 60.0
"""Seconds that a key may be used after it was read: an erasure is complete after that."""


class Opener:
    """Reads with the keys of one log."""

    def __init__(
        self,
        pool: Pool,
        schema: str,
        *,
        log_id: UUID,
        masters: Masters,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._keys_sql = load("gateway.store", "directory.sql", schema)["keys"]
        self._log_id = log_id
        self.masters = masters
        self._monotonic = monotonic
        self._keys: dict[tuple[UUID, int], SubjectKey | None] = {}
        self._since = 0.0

    async def open(self, events: Sequence[Event]) -> list[dict[str, Any] | None]:
        """The content of each event; None where nothing is sealed, or its key is gone."""
        whose = [_key_of(event) for event in events]
        keys = await self._keys_of({one for one in whose if one is not None})
        return [
            self._opened(event, keys.get(one) if one else None)
            for event, one in zip(events, whose, strict=True)
        ]

    async def derive(self, event: Event, purpose: bytes) -> bytes | None:
        """32 bytes for `purpose` that follow from the key an event is sealed under; None where that is gone.

        Asked of the database each time, so an erasure is complete at once.
        """
        whose = _key_of(event)
        if whose is None:
            return None
        secret = (await self._secrets([whose])).get(whose)
        return secret and HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose).derive(secret)

    def _opened(self, event: Event, key: SubjectKey | None) -> dict[str, Any] | None:
        if event.sealed is None or key is None:
            return None
        key_bytes = bytes.fromhex(event.key.replace("-", ""))
        bound = associated_data(self._log_id, event.originator_id, event.TOPIC, key_bytes)
        return key.open(event.sealed, bound)

    async def _keys_of(self, wanted: set[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], SubjectKey | None]:
        if self._monotonic() - self._since > KEPT:
            self._keys, self._since = {}, self._monotonic()
        known = self._keys
        # A difference of sets would look at every key that is known.
        missing = sorted(one for one in wanted if one not in known)
        if missing:
            found: dict[tuple[UUID, int], SubjectKey | None] = dict.fromkeys(missing)
            for one, secret in (await self._secrets(missing)).items():
                found[one] = SubjectKey(one[0], AESGCM(secret))
            # Only now: others who open at the same time must not take a key for gone.
            known |= found
        return known

    async def _secrets(self, wanted: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], bytes]:
        """Those that are there."""
        subjects, months = zip(*wanted, strict=True)
        found = {}
        for row in await self._pool.fetch(self._keys_sql, subjects, months):
            one = row["person_id"], row["month"]
            wrapped = Wrapped(row["wrapped"], row["master_id"])
            found[one] = self.masters.unwrap(wrapped, bound_to(self._log_id, *one))
        return found


def _key_of(event: Event) -> tuple[UUID, int] | None:
    return (subject_of(event.sealed), month_of(event.timestamp)) if event.sealed else None
