"""Ids in WhatsApp's shapes."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import secrets
from typing import Final

import phonenumbers

LONGEST_NUMBER: Final = 20
BSUID: Final = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")


def wamid(number: str) -> str:
    """A message id; like WhatsApp's it encodes the phone number, and may hold `+`, `/` and `=`."""
    return f"wamid.{_encoded(number)}"


def wacid(number: str) -> str:
    """A call id."""
    return f"wacid.{_encoded(number)}"


@functools.lru_cache(maxsize=10_000)
def bsuid(number: str) -> str:
    """The business-scoped user id of a phone number in digits: the same every time."""
    digest = hashlib.sha256(f"bsuid:{number}".encode()).hexdigest()
    return f"{_country(number)}.{int(digest[:15], 16):019d}"


def object_id() -> str:
    """A Graph object id, such as that of a media file."""
    return str(10**15 + secrets.randbelow(9 * 10**15))


def canonical(number: str) -> str:
    """One spelling for the numbers WhatsApp holds to be the same (Brazil's ninth digit, Mexico's 1)."""
    if brazil := re.fullmatch(r"(55\d\d)9([6-9]\d{7})", number):
        return brazil[1] + brazil[2]
    if mexico := re.fullmatch(r"521(\d{10})", number):
        return "52" + mexico[1]
    return number


def _encoded(number: str) -> str:
    text = number.encode()[:LONGEST_NUMBER]
    head = b"\x1d\x18" + bytes([len(text)]) + text
    return base64.b64encode(head + b"\x15\x02\x00\x11\x18\x14" + secrets.token_bytes(15) + b"\x00").decode()


def _country(number: str) -> str:
    try:
        code = phonenumbers.parse(f"+{number}").country_code or 0
    except phonenumbers.NumberParseException:
        return "ZZ"
    region = phonenumbers.region_code_for_country_code(code)
    return region if region.isalpha() else "ZZ"
