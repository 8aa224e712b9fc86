"""What a start needs, and has not been given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.settings.sources import PREFIX

_NEEDED: Final[Mapping[str, str]] = {
    "app_secrets": "the app's secret signs every webhook (App dashboard, Basic)",
    "verify_token": "any text; the same goes into the webhook configuration",
    "access_token": "a system user's token with whatsapp_business_messaging",
    "lines": "the phone_number_ids this gateway sends for, with commas between them",
    "api_keys": "name:key:scope+scope for each system that may call",
}


def missing(values: Mapping[str, Any]) -> list[str]:
    """What a gateway lacks, from the values of its settings; empty when `serve` may begin."""
    found = [
        f"{PREFIX}{name.upper()} is missing: {why}" for name, why in _NEEDED.items() if not values.get(name)
    ]
    return found + log_missing(values) + _vault_missing(values)


def log_missing(values: Mapping[str, Any]) -> list[str]:
    """What a command lacks that only reads or fills the log."""
    if values.get("database_url") and not values.get("master_key"):
        return [f"{PREFIX}MASTER_KEY is missing: 32 random bytes in base64"]
    return []


def _vault_missing(values: Mapping[str, Any]) -> list[str]:
    given = [name for name in ("vault_s3_key_id", "vault_s3_secret") if values.get(name)]
    if len(given) == 1:
        return [
            f"{PREFIX}{given[0].upper()} is half of a pair: VAULT_S3_KEY_ID and VAULT_S3_SECRET go together"
        ]
    return []
