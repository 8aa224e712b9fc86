"""What a destination becomes when somebody asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from domain.destinations import asked
from domain.destinations.asked import Asked
from domain.destinations.model import Destination, Secret

CHANGEABLE: Final = ("name", "url", "filter", "headers")
OVERLAP: Final = timedelta(hours=24)
"""How long a secret that was replaced still signs beside the new one."""
MOST_SECRETS: Final = 5


def new(wanted: Asked, *, destination: UUID, secret: str, now: datetime) -> Destination:
    """A destination that begins; `secret`: its own, or one that was made."""
    return Destination(
        id=destination,
        name=wanted.name,
        url=wanted.url,
        format=wanted.format,
        filter=wanted.filter,
        state="active",
        reason=None,
        revision=1,
        created_at=now,
        secrets=(Secret(secret),),
        headers=wanted.headers,
    )


def changed(one: Destination, given: Mapping[str, Any], *, lines: Collection[str]) -> Destination:
    """A destination with some of its CHANGEABLE fields as `given`. Raises NoDestinationError."""
    return replace(
        one,
        name=asked.name(given.get("name", one.name)),
        url=given.get("url", one.url),
        headers=asked.headers(given.get("headers", one.headers)),
        filter=asked.wanted(given["filter"], one.format, lines) if "filter" in given else one.filter,
    )


def as_set(one: Destination, wanted: Asked, *, now: datetime) -> Destination:
    """A destination as the settings say; a secret that they changed replaces the one before."""
    if wanted.secret and one.secrets[0].value != wanted.secret:
        one = with_secret(one, wanted.secret, now=now)
    return replace(one, url=wanted.url, headers=wanted.headers, filter=wanted.filter)


def with_secret(one: Destination, secret: str, *, now: datetime) -> Destination:
    """A destination that signs with another secret, and for a while with those before too."""
    older = [Secret(old.value, old.until or now + OVERLAP) for old in one.secrets]
    valid = [old for old in older if old.until and now < old.until and old.value != secret]
    return replace(one, secrets=(Secret(secret), *valid[: MOST_SECRETS - 1]))
