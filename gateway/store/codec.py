"""Events as the log stores them: JSON that the eventsourcing library's own Mapper and JSONTranscoder read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any, Final, get_type_hints
from uuid import UUID

import orjson
from eventsourcing.persistence import Mapper, Transcoder

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
                if type(value) is dict and value.get("_type_") == "datetime_iso" and len(value) == 2:  # noqa: PLR2004 - the library's mark: a type and its data
                    state[name] = datetime.fromisoformat(value["_data_"])
        return state


MAPPER: Final[Mapper[UUID]] = Mapper(OrjsonTranscoder())
_OF_STATE: Final = MAPPER.transcoder.decode


def encode(event: Event) -> tuple[str, bytes]:
    """Topic and state of an event; fields that are None are left out."""
    state = {name: value for name, value in vars(event).items() if name not in _PLACE}
    return event.TOPIC, encode_state(type(event), state)


def encode_state(event: type[Event], state: Mapping[str, Any]) -> bytes:
    """The state of an event that was not made yet, from its fields but those of its place.

    Raises TypeError for a field that is missing, or that such an event has not.
    """
    shape = _SHAPES[event.TOPIC]
    if not shape.required <= state.keys() <= shape.fields.keys():
        raise TypeError(f"{event.TOPIC} has not the fields {sorted(state)}")
    written = {name: value for name, value in state.items() if value is not None}
    written["timestamp"] = _plain(written["timestamp"])
    if shape.version > 1:
        written["class_version"] = shape.version
    return MAPPER.transcoder.encode(written)


def decode(position: int, stream: UUID, version: int, topic: str, state: bytes) -> Recorded | Undecodable:
    """An event from its row, as MAPPER would read it, in half of its time.

    Topics are looked up in the closed table; nothing is ever imported.
    """
    shape = _SHAPES.get(topic)
    if shape is None:
        return Undecodable(position, topic, "UnknownTopic")
    try:
        known = _OF_STATE(state)
        if type(known) is not dict:
            raise TypeError("a state is an object")  # noqa: TRY301 - told as whatever else is wrong
        if "class_version" in known or shape.version > 1:
            _raise_to(shape, known)
    except Exception as error:  # noqa: BLE001 - whatever a row holds, the reader goes on behind it
        return Undecodable(position, topic, type(error).__name__)
    if not known.keys() >= shape.required:
        return Undecodable(position, topic, "MissingField")
    known = shape.fields | known
    known["originator_id"] = stream
    known["originator_version"] = version
    event = object.__new__(shape.cls)
    object.__setattr__(event, "__dict__", known)
    return Recorded(position, event)


def _raise_to(shape: _Shape, state: dict[str, Any]) -> None:
    """From the version of the class that was stored to the one of this release."""
    for version in range(state.pop("class_version", 1), shape.version):
        getattr(shape.cls, f"upcast_v{version}_v{version + 1}")(state)


def _plain(value: object) -> Any:
    match value:
        case datetime():
            return {"_type_": "datetime_iso", "_data_": value.isoformat()}
        case UUID():
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in an event")


@dataclass(frozen=True, slots=True)
class _Shape:
    cls: type[Event]
    version: int
    fields: dict[str, Any]
    """All of them in their order, with what they hold where a state leaves them out."""
    required: frozenset[str]
    """Those that no state may leave out."""


def _shape(event: type[Event]) -> _Shape:
    hints = get_type_hints(event)
    defaults = {one.name: None if one.default is MISSING else one.default for one in fields(event)}
    required = {
        one.name
        for one in fields(event)
        if one.default is MISSING and type(None) not in getattr(hints[one.name], "__args__", ())
    }
    return _Shape(event, getattr(event, "class_version", 1), defaults, frozenset(required - _PLACE))


_SHAPES: Final = {topic: _shape(event) for topic, event in TOPICS.items()}
