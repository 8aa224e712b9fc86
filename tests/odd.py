"""Callbacks as nobody should send them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import orjson
from hypothesis import strategies as st

PAYLOADS = [
    orjson.loads(path.read_bytes())
    for path in sorted((Path(__file__).parent / "payloads").glob("*.json"))
    if b'"entry"' in path.read_bytes()
]

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**18, 10**25)
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(["messages", "447700900123", "GB.123", "group", "system", "1795305600"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a callback where something else could stand."""
    keys: list[Any] = [*value] if isinstance(value, dict) else [*range(len(value))]
    inner = [place for key in keys if isinstance(value[key], dict | list) for place in _places(value[key])]
    return [(value, key) for key in keys] + inner


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A callback of the reference with something else at some of its places, or nothing at all."""
    callback = copy.deepcopy(draw(st.sampled_from(PAYLOADS)))
    for _ in range(draw(st.integers(1, 4))):
        places = _places(callback)
        if not places:
            break
        where, key = draw(st.sampled_from(places))
        if draw(st.booleans()):
            where[key] = draw(JSON)
        else:
            del where[key]
    return callback
