"""Tolerant readers of what WhatsApp sends: anything may be missing, of another type, or new."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from domain.graph_errors import LARGEST_CODE

Json = dict[str, Any]

AHEAD: Final = 300
"""Seconds that WhatsApp's clock may be ahead of ours; more is taken for a mistake."""
EARLIEST: Final = 1_230_768_000
"""2009-01-01: there was no WhatsApp before."""
MILLISECONDS: Final = 100_000_000_000
"""A time from here on is in milliseconds."""

DEEPEST: Final = 500
"""Levels of an item. The standard library's writer counts them and its callers against one limit (1,000), so
what it could just write here could not be sealed, or answered, from deeper in the stack."""

_LONG_INTEGER: Final = re.compile(rb"[:\[,\s-]\d{19}")
_DIGITS_AS_0: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG: Final = b"0" * 19
LONGEST_WORD: Final = 64
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*")
_LONG_DIGITS: Final = re.compile(r"\d{6}")
_NAME: Final = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*")
LONGEST_ID: Final = 32
_ID: Final = re.compile(r"[0-9]+")


class TooDeepError(ValueError):
    """Nested deeper than any writer of JSON can surely write."""


def load(body: bytes) -> Any:
    """The body as JSON. ValueError when it is none.

    What orjson refuses (a lone surrogate, NaN, a BOM), or would change (integers over 64 bits become floats),
    is for the standard library. Numbers that no writer can write stay texts.
    """
    # Hardly any body has so many digits in a row, and that is found out far faster than by the pattern.
    if _LONG not in body.translate(_DIGITS_AS_0) or not _LONG_INTEGER.search(body):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(body, parse_constant=str, parse_float=_float)
    except RecursionError:
        raise TooDeepError from None


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def canonical(item: Any) -> bytes:
    """The same bytes for the same content, however WhatsApp wrote it. Raises TooDeepError."""
    try:
        return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        pass
    if _is_too_deep(item):
        raise TooDeepError
    return json.dumps(item, sort_keys=True, separators=(",", ":")).encode()


def _is_too_deep(item: Any) -> bool:
    level = [item]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def text(value: object) -> str | None:
    """A text that is not empty; a number as its digits."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def word(value: object) -> str | None:
    """A word of WhatsApp's own, fit for the open: nothing that could be a number, a name or a sentence."""
    found = text(value)
    return found if found and len(found) <= LONGEST_WORD and _is_word(found) else None


@lru_cache(4_096)
def _is_word(found: str) -> bool:
    """The same few words come with every item."""
    return _WORD.fullmatch(found) is not None and not _LONG_DIGITS.search(found)


def name(value: object) -> str | None:
    """A template's name."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def language(value: object) -> str | None:
    """A template's language, always with an underscore (`en-US` is seen as well)."""
    return value.replace("-", "_") if isinstance(value, str) and _LANGUAGE.fullmatch(value) else None


def object_id(value: object) -> str | None:
    """An id of Graph's own objects (accounts, lines, templates)."""
    found = text(value)
    return found if found and len(found) <= LONGEST_ID and _is_id(found) else None


@lru_cache(4_096)
def _is_id(found: str) -> bool:
    return _ID.fullmatch(found) is not None


def code(errors: object) -> int | None:
    """The first error's code."""
    return next(iter(codes(errors)), None)


def codes(errors: object) -> list[int]:
    """The codes of a list of errors."""
    return [found for one in objects(errors) if (found := a_code(one.get("code"))) is not None]


def a_code(value: object) -> int | None:
    """An error's code; None for what is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) <= LARGEST_CODE else None


def objects(value: object) -> list[Json]:
    """The objects of a list; none when it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def inner(item: Json, *names: str) -> Json:
    """The object at the end of a path; an empty one when there is none."""
    found: Any = item
    for one in names:
        found = found.get(one) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def seconds(value: object) -> int | None:
    """Unix seconds, from a text or a number, milliseconds as well; None when missing or absurd."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None  # noqa: PLR2004 - more digits are no time
    if isinstance(value, float):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if value >= MILLISECONDS:
        value //= 1000
    return value if EARLIEST <= value < MILLISECONDS else None


def at_used(at: int | None, recorded_at: datetime) -> int:
    """The time that folds use: WhatsApp's own, not later than a little ahead of our clock; else our clock."""
    now = int(recorded_at.timestamp())
    return now if at is None else min(at, now + AHEAD)


def without_none(fields: Json) -> Json:
    """Only what is there."""
    return {key: value for key, value in fields.items() if value is not None}
