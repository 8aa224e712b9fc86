"""What is recorded can never change: a stored event of every topic and version, decoded for ever."""

from __future__ import annotations

import json
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.events import TOPICS, Recorded
from gateway.store.codec import decode, encode

GOLDEN = Path(__file__).parent.parent / "golden"
FILES = sorted(GOLDEN.glob("*.json"))


def read(file: Path) -> tuple[str, bytes, dict[str, Any]]:
    """Topic, state as stored, and the fields it decodes to."""
    golden = json.loads(file.read_text())
    return golden["topic"], golden["state"].encode(), golden["fields"]


def test_every_topic_and_version_has_a_golden_file() -> None:
    expected = {
        f"{topic}.{version}"
        for topic, event in TOPICS.items()
        for version in range(1, getattr(event, "class_version", 1) + 1)
    }

    assert {file.stem.partition("+")[0] for file in FILES} == expected


def test_every_field_stands_in_a_golden_file() -> None:
    """A field that came later stands in a file of its own beside the first, such as `SendSettled.1+later`."""
    held: dict[str, set[str]] = {}
    for file in FILES:
        topic, _, fields = read(file)
        held.setdefault(topic, set()).update(fields)
    events = {
        topic: {one.name for one in dataclass_fields(event) if not one.name.startswith("originator_")}
        for topic, event in TOPICS.items()
    }

    assert held == events


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_was_stored_still_decodes_to_the_same_event(file: Path) -> None:
    topic, state, fields = read(file)
    stream = UUID("7b3a3a54-9f2a-8c51-b1ce-0d8a4c0f6c11")

    item = decode(7, stream, 3, topic, state)

    assert isinstance(item, Recorded)
    event = item.event
    assert (item.position, event.originator_id, event.originator_version) == (7, stream, 3)
    decoded = {name: value for name, value in vars(event).items() if not name.startswith("originator_")}
    decoded["timestamp"] = event.timestamp.isoformat()
    # A field added since then has its default.
    added = {one.name: one.default for one in dataclass_fields(event) if one.name not in fields}
    assert decoded == fields | {name: added[name] for name in decoded.keys() - fields.keys()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_event_of_this_release_is_stored_byte_for_byte_as_before(file: Path) -> None:
    topic, state, _ = read(file)
    version = int(file.stem.partition("+")[0].rpartition(".")[2])
    item = decode(7, UUID(int=1), 3, topic, state)

    assert isinstance(item, Recorded)
    if version == getattr(type(item.event), "class_version", 1):
        assert encode(item.event) == (topic, state)
