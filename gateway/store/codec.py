"""Events as the log stores them: JSON that the eventsourcing library's own Mapper and JSONTranscoder read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, Final, get_type_hints
from uuid import UUID

import orjson
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

from domain.events import TOPICS, Event, Recorded, Undecodable

_PLACE: Final = frozenset({"originator_id", "originator_version"})
"""Columns of their own, not part of the state."""


class OrjsonTranscoder(Transcoder):
    """Byte-compatible, both ways, with JSONTranscoder and its transcoding of datetimes (`datetime_iso`).

    Datetimes are known at the top of a state only: no event has one deeper.
    """

    def encode(self, obj: Any) -> bytes:
        """What orjson refuses (lone surrogates, integers over 64 bits) the standard library writes."""
        try:
            return orjson.dumps(obj, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
        except orjson.JSONEncodeError:
            return json.dumps(obj, default=_plain, separators=(",", ":")).encode()

    def decode(self, data: bytes) -> Any:
        """Raises ValueError for what is no JSON."""
        try:
            state = orjson.loads(data)
        except orjson.JSONDecodeError:
            state = json.loads(data)
        if isinstance(state, dict):
            for name, value in state.items():
                if isinstance(value, dict) and value.get("_type_") == "datetime_iso" and len(value) == 2:  # noqa: PLR2004 - the library's mark: a type and its data
                    state[name] = datetime.fromisoformat(value["_data_"])
        return state


MAPPER: Final[Mapper[UUID]] = Mapper(OrjsonTranscoder())


def encode(event: Event) -> tuple[str, bytes]:
    """Topic and state of an event; fields that are None are left out."""
    state = {name: value for name, value in vars(event).items() if name not in _PLACE}
    return event.TOPIC, encode_state(type(event), state)


def encode_state(event: type[Event], state: Mapping[str, Any]) -> bytes:
    """The state of an event that was not made yet, from its fields but those of its place.

    Raises TypeError for a field that is missing, or that such an event has not.
    """
    if not _NEEDED[event.TOPIC] <= state.keys() <= _FIELDS[event.TOPIC]:
        raise TypeError(f"{event.TOPIC} has not the fields {sorted(state)}")
    written = {name: value for name, value in state.items() if value is not None}
    written["timestamp"] = _plain(written["timestamp"])
    version = getattr(event, "class_version", 1)
    if version > 1:
        written["class_version"] = version
    return MAPPER.transcoder.encode(written)


def decode(position: int, stream: UUID, version: int, topic: str, state: bytes) -> Recorded | Undecodable:
    """An event from its row. Topics are looked up in the closed table; nothing is ever imported."""
    if topic not in TOPICS:
        return Undecodable(position, topic, "UnknownTopic")
    try:
        event = MAPPER.to_domain_event(StoredEvent(stream, version, topic, state))
    except Exception as error:  # noqa: BLE001 - whatever a row holds, the reader goes on behind it
        return Undecodable(position, topic, type(error.__cause__ or error).__name__)
    if not isinstance(event, Event) or not vars(event).keys() >= _REQUIRED[topic]:
        return Undecodable(position, topic, "MissingField")
    for name, value in _DEFAULTS[topic].items():
        vars(event).setdefault(name, value)
    return Recorded(position, event)


def _plain(value: object) -> Any:
    match value:
        case datetime():
            return {"_type_": "datetime_iso", "_data_": value.isoformat()}
        case UUID():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in an event")


def _defaults(event: type[Event]) -> dict[str, Any]:
    """What the fields hold that a state may leave out."""
    hints = get_type_hints(event)
    return {
        field.name: None if field.default is MISSING else field.default
        for field in fields(event)
        if field.default is not MISSING or type(None) in getattr(hints[field.name], "__args__", ())
    }


_DEFAULTS: Final = {topic: _defaults(event) for topic, event in TOPICS.items()}
_FIELDS: Final = {topic: frozenset(field.name for field in fields(event)) for topic, event in TOPICS.items()}
_REQUIRED: Final = {topic: names - _DEFAULTS[topic].keys() for topic, names in _FIELDS.items()}
_NEEDED: Final = {topic: names - _PLACE for topic, names in _REQUIRED.items()}
