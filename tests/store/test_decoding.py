"""Events are read from the log without the library's mapper, and as it would read them."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from domain.events import TOPICS, Event, MessageReceived, Recorded, Undecodable
from gateway.store import codec
from gateway.store.codec import MAPPER, decode, encode

STREAM = UUID("7b3a3a54-9f2a-8c51-b1ce-0d8a4c0f6c11")
GOLDEN = [json.loads(file.read_text()) for file in (Path(__file__).parent.parent / "golden").glob("*.json")]
TIME = {"_type_": "datetime_iso", "_data_": "2026-10-26T07:33:21.000001+00:00"}

words = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
odd = st.sampled_from([TIME, {"_type_": "datetime_iso"}, {"_type_": "datetime_iso", "_data_": "never"}])


@st.composite
def stored(draw: st.DrawFn) -> tuple[str, bytes]:
    """A golden state, with fields that are lost, changed or new."""
    golden = draw(st.sampled_from(GOLDEN))
    state: dict[str, Any] = json.loads(golden["state"])
    for name in draw(st.lists(st.sampled_from(list(state)), max_size=2)):
        state.pop(name, None)
    names = st.sampled_from([*state, "class_version", "originator_id", "new"]) | words
    state |= draw(st.dictionaries(names, values | odd, max_size=2))
    return golden["topic"], json.dumps(state).encode()


def of_the_mapper(topic: str, state: bytes) -> Event | str:
    """What the library's own mapper makes of it, or the name of what is wrong."""
    try:
        event = MAPPER.to_domain_event(StoredEvent(STREAM, 3, topic, state))
    except Exception as error:  # noqa: BLE001 - whatever it says
        return type(error.__cause__ or error).__name__
    assert isinstance(event, Event)
    return event


@given(stored())
def test_every_state_is_read_as_the_mapper_reads_it(row: tuple[str, bytes]) -> None:
    topic, state = row
    item, expected = decode(7, STREAM, 3, topic, state), of_the_mapper(topic, state)
    if isinstance(expected, str):
        assert item == Undecodable(7, topic, expected)
        return
    known, defaults = vars(expected), {one.name: one.default for one in fields(expected)}
    if isinstance(item, Undecodable):
        lost = defaults.keys() - known.keys()
        assert item.error == "MissingField"
        assert any(defaults[name] is MISSING for name in lost)
        return
    added = vars(item.event).keys() - known.keys()
    assert type(item.event) is TOPICS[topic]
    assert vars(item.event) == known | {
        name: None if defaults[name] is MISSING else defaults[name] for name in added
    }
    assert list(vars(item.event))[: len(defaults)] == list(defaults)


@pytest.mark.parametrize("state", ["[]", "7", "null", '"class_version"', "{", ""])
def test_what_is_no_object_is_told_like_the_mapper_does(state: str) -> None:
    expected = of_the_mapper("LineChanged", state.encode())
    assert decode(7, STREAM, 3, "LineChanged", state.encode()) == Undecodable(7, "LineChanged", str(expected))


def test_an_older_version_is_raised_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(state: dict[str, Any]) -> None:
        state["at_used"] = state["at_used"] // 1000

    def typed(state: dict[str, Any]) -> None:
        state["type"] = state["type"].lower()

    monkeypatch.setattr(MessageReceived, "class_version", 3, raising=False)
    monkeypatch.setattr(MessageReceived, "upcast_v1_v2", staticmethod(seconds), raising=False)
    monkeypatch.setattr(MessageReceived, "upcast_v2_v3", staticmethod(typed), raising=False)
    monkeypatch.setitem(codec._SHAPES, "MessageReceived", codec._shape(MessageReceived))
    state: dict[str, Any] = json.loads(
        next(one["state"] for one in GOLDEN if one["topic"] == "MessageReceived")
    )

    for version, at_used, word in ((None, 7_000, "TEXT"), (2, 7, "TEXT"), (3, 7, "text")):
        row = state | {"at_used": at_used, "type": word} | ({"class_version": version} if version else {})
        item = decode(7, STREAM, 3, "MessageReceived", json.dumps(row).encode())
        assert isinstance(item, Recorded)
        assert item.event == of_the_mapper("MessageReceived", json.dumps(row).encode())
        assert isinstance(item.event, MessageReceived)
        assert (item.event.at_used, item.event.type) == (7, "text")
        assert json.loads(encode(item.event)[1])["class_version"] == 3
