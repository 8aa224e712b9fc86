"""What the values of settings look like. ValueError says what would be right, and never repeats a secret."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from importlib.util import find_spec
from ipaddress import ip_network
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_settings import NoDecode

from domain.destinations.asked import NoDestinationError, asked
from domain.openers import DEFAULT
from gateway.auth import ApiKey, parse_key


def _split(value: object) -> tuple[Any, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _digits(value: tuple[str, ...]) -> tuple[str, ...]:
    for line in value:
        if not (line.isascii() and line.isdigit()):
            raise ValueError(f"{line!r} is no phone_number_id: digits only, with commas between")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        try:
            ip_network(text)
        except ValueError:
            raise ValueError(f"{text!r} is no network, such as 10.0.0.0/8 or 127.0.0.1") from None
    return value


def _keys(value: object) -> tuple[Any, ...]:
    return tuple(parse_key(part) if isinstance(part, str) else part for part in _split(value))


def _different(value: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    if len({key.digest for key in value}) < len(value):
        raise ValueError("two callers have the same key: each needs its own")
    return value


def _thirty_two_bytes(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for key in value:
        master_key_bytes(key.get_secret_value())
    return value


def _postgres(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError("is no URL; in a password / @ : # are written %2F %40 %3A %23") from None
    return value


def _http(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with https:// (or http:// for a simulator)")
    return value.rstrip("/")


def _currency(value: str) -> str:
    if not re.fullmatch("[A-Z]{3}", value):
        raise ValueError(f"{value!r} is no currency, such as USD")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no IANA time zone, such as Europe/London") from None
    return value


def _place(value: str) -> str:
    if "://" not in value:
        return value
    if not value.startswith("s3://") or not urlsplit(value).netloc:
        raise ValueError("must be a folder, or s3://bucket or s3://bucket/prefix")
    if find_spec("obstore") is None:
        raise ValueError("s3:// needs the extra `s3`: install ledgerline[s3]")
    return value


def _switches(value: dict[str, bool]) -> dict[str, bool]:
    DEFAULT.with_overrides(value)
    return value


_DESTINATIONS: Final = 'an object of destinations by their names, such as {"crm": {"url": "https://…", …}}'


def _of_json(value: object) -> object:
    try:
        given = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        raise ValueError(f"is no JSON: it must be {_DESTINATIONS}") from None
    if isinstance(given, dict):
        return given
    raise ValueError(f"must be {_DESTINATIONS}")


def _forms(value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    """The form alone: where a URL leads is judged for each connection."""
    lines = info.data.get("lines", ())
    if wrong := [text for name, given in value.items() if (text := _destination(name, given, lines))]:
        raise ValueError("; ".join(wrong))
    return value


def _destination(name: str, given: object, lines: Sequence[str]) -> str | None:
    """What is wrong with a destination; None when nothing is."""
    if not isinstance(given, dict):
        return f'{name} must be an object such as {{"url": "https://…", "format": "whatsapp", "secret": "…"}}'
    if given.get("name", name) != name:
        return f"{name}.name must be left out: it is {name} already"
    try:
        wanted = asked({**given, "name": name}, lines=lines)
    except NoDestinationError as error:
        return f"{name}.{error}"
    if wanted.secret is None:
        return f"{name}.secret must be given: nobody would see one that is made"
    return None


def master_key_bytes(text: str) -> bytes:
    """The 32 bytes of a master key written in base64."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("a master key is 32 bytes in base64") from None
    if len(key) != 32:  # noqa: PLR2004 - AES-256
        raise ValueError(f"a master key is 32 bytes in base64; this one has {len(key)}")
    return key


_SPLIT = BeforeValidator(_split)

Words = Annotated[tuple[str, ...], NoDecode, _SPLIT]
Lines = Annotated[tuple[str, ...], NoDecode, _SPLIT, AfterValidator(_digits)]
Networks = Annotated[tuple[str, ...], NoDecode, _SPLIT, AfterValidator(_networks)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, _SPLIT]
MasterKeys = Annotated[tuple[SecretStr, ...], NoDecode, _SPLIT, AfterValidator(_thirty_two_bytes)]
ApiKeys = Annotated[tuple[ApiKey, ...], NoDecode, BeforeValidator(_keys), AfterValidator(_different)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres)]
HttpUrl = Annotated[str, AfterValidator(_http)]
Currency = Annotated[str, AfterValidator(_currency)]
Zone = Annotated[str, AfterValidator(_zone)]
Place = Annotated[str, Field(min_length=1), AfterValidator(_place)]
Switches = Annotated[dict[str, bool], AfterValidator(_switches)]
Destinations = Annotated[dict[str, Any], BeforeValidator(_of_json), AfterValidator(_forms)]
"""By their names; after `lines`, since a destination may want some of them only."""
