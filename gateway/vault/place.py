"""The store that the settings name, and whether it works."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

from gateway.settings import Settings
from gateway.vault.disk import Disk
from gateway.vault.store import Store

if TYPE_CHECKING:
    from obstore.store import S3Config

_TRIAL: Final = b"ledgerline doctor"


def store_of(settings: Settings) -> Store | None:
    """Where kept files lie; None where no line keeps any and no place is named."""
    if settings.vault is None and not settings.media_lines:
        return None
    if settings.vault is None or not settings.vault.startswith("s3://"):
        return Disk(Path(settings.vault) if settings.vault else settings.data_dir / "media")
    return _bucket(settings, settings.vault)


def _bucket(settings: Settings, url: str) -> Store:
    from obstore.store import S3Store  # noqa: PLC0415 - an extra that only this store needs

    from gateway.vault.s3 import S3  # noqa: PLC0415

    place, key, secret = urlsplit(url), settings.vault_s3_key_id, settings.vault_s3_secret
    config: S3Config = {"region": settings.vault_s3_region}
    if settings.vault_s3_url:
        config["endpoint"] = settings.vault_s3_url
    if key and secret:
        config["access_key_id"] = key.get_secret_value()
        config["secret_access_key"] = secret.get_secret_value()
    return S3(
        S3Store(
            place.netloc,
            prefix=place.path.strip("/") or None,
            config=config,
            client_options={"allow_http": True, "timeout": "60s", "connect_timeout": "10s"},
            retry_config={"max_retries": 3},
        )
    )


async def tried(store: Store) -> bool:
    """Whether the store gives back what it was given. Raises StoreError."""
    object_id = uuid4()
    await store.write(object_id, _trial())
    try:
        return b"".join([piece async for piece in store.read(object_id, 0, len(_TRIAL))]) == _TRIAL
    finally:
        await store.remove(object_id)


async def _trial() -> AsyncIterator[bytes]:
    yield _TRIAL
