"""The body of a caller's request, read so that it can be written again."""

from __future__ import annotations

import json
import math
from typing import Final

from domain.outbound.request import Dialect, Json, Malformed

_DEEPEST: Final = 100
"""Nesting that every writer of JSON between here and WhatsApp can still write."""


def json_object(body: bytes, dialect: Dialect) -> Json | Malformed:
    """The body as an object that can be written again."""
    # Not orjson: it would turn an integer over 64 bits into a float, and refuse a lone surrogate.
    try:
        parsed = _DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return Malformed(dialect.not_json, "body", f"The body is not JSON{_why(body, error)}.")
    if not isinstance(parsed, dict):
        return Malformed(dialect.not_json, "body", "The body must be a JSON object.")
    if _is_deeper(parsed, _DEEPEST):
        return Malformed(dialect.not_json, "body", f"The body must not nest deeper than {_DEEPEST} levels.")
    return parsed


def _why(body: bytes, error: Exception) -> str:
    """What is wrong and where, quoting nothing of the body."""
    match error:
        case _ if not body.strip():
            return ": it is empty"
        case json.JSONDecodeError():
            return f": {error.msg} (line {error.lineno}, column {error.colno})"
        case UnicodeDecodeError():
            return f": it is not UTF-8 (byte {error.start + 1})"
        case _:
            return ""


def unpacked(body: Json) -> Json:
    """The body with its content read where that came as JSON in a string, as Graph reads it too."""
    word = body.get("type", "text")
    content = body.get(word) if isinstance(word, str) else None
    if not isinstance(content, str):
        return body
    try:
        found = _DECODER.decode(content)
    except (ValueError, RecursionError):
        return body
    return body if _is_deeper(found, _DEEPEST - 1) else body | {word: found}


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _refuse_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError("a number too large to be written again")
    return number


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)
