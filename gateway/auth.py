"""API keys: who calls, and what they may do. Keys are kept as SHA-256 hashes only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import BasicAuth, hdrs, web


class Scope(StrEnum):
    """What a key may do."""

    SEND = "send"
    READ = "read"
    """Facts without personal data."""
    CONTENT = "content"
    """Opens personal data."""
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One caller. `name` stands in the log: it names a system, never a person."""

    name: str
    digest: bytes
    scopes: frozenset[Scope]
    lines: frozenset[str]
    """Lines it is bound to; empty: all."""

    def may(self, scope: Scope) -> bool:
        """Whether the key has the scope."""
        return scope in self.scopes

    def reaches(self, line: str) -> bool:
        """Whether the key may touch the line."""
        return not self.lines or line in self.lines


class Keys:
    """All keys of a gateway, found by their hash."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._by_digest = {key.digest: key for key in keys}

    def find(self, presented: str) -> ApiKey | None:
        """The key whose secret was presented, or None. Looking up a hash gives no timing away."""
        return self._by_digest.get(hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest())


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_FORM = "a key is written name:key:scope+scope[@line+line], or name:sha256:hex:scope+scope"


def parse_key(text: str) -> ApiKey:
    """Read `name:key:scope+scope[@line+line]`; the key itself or `sha256:hex`.

    ValueError says what would be right and never repeats the key.
    """
    name, _, rest = text.partition(":")
    secret, _, rights = rest.rpartition(":")
    scope_text, at, line_text = rights.partition("@")
    if not _NAME.fullmatch(name) or not secret:
        raise ValueError(_FORM)
    try:
        scopes = frozenset(Scope(word) for word in scope_text.split("+"))
    except ValueError:
        known = ", ".join(Scope)
        raise ValueError(f"key {name!r} has an unknown scope; the scopes are {known}") from None
    lines = frozenset(line_text.split("+")) if at else frozenset()
    if not all(line.isdecimal() for line in lines):
        raise ValueError(f"key {name!r}: @ is followed by phone_number_ids, with + between them")
    return ApiKey(name, _digest(name, secret), scopes, lines)


def _digest(name: str, secret: str) -> bytes:
    kind, _, value = secret.partition(":")
    if kind != "sha256":
        return hashlib.sha256(secret.encode()).digest()
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ValueError(f"key {name!r}: sha256: is followed by 64 hexadecimal digits")
    return bytes.fromhex(value)


def presented(request: web.Request) -> str | None:
    """The secret a request brings: bearer token, basic password, or `access_token` in the query."""
    header = request.headers.get(hdrs.AUTHORIZATION, "")
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer" and value.strip():
        return value.strip()
    if kind.lower() == "basic":
        try:
            return str(BasicAuth.decode(header).password)
        except ValueError:
            return None
    return request.query.get("access_token")
