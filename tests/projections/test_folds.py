"""What a projection says that it folds is what changes its tables: a rebuild reads nothing else."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from types import NoneType
from typing import Any, get_args, get_type_hints
from uuid import UUID

import pytest
from histories import NOW
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from logs import SCHEMA

from domain.events import TOPICS, Event, Recorded
from projections import catalogue
from projections.runner import Projection

ALL = catalogue.projections(SCHEMA)
BY_NAME = pytest.mark.parametrize("projection", ALL, ids=[one.name for one in ALL])
SOURCES = ("live", "echo", "history", "standby", "import", "api", "whatsapp")
WORDS = (
    "image",
    "confirmed",
    "sent",
    "delivered",
    "accepted",
    "failed",
    "resend",
    "marketing_messages",
    "stop",
)

_uuids = st.sampled_from([str(UUID(int=n)) for n in (1, 2)])
_of_hint: dict[Any, st.SearchStrategy[Any]] = {
    NoneType: st.none(),
    bool: st.booleans(),
    int: st.sampled_from([1, 131047, 131050, NOW]),
    str: st.sampled_from(WORDS + SOURCES),
    list[str]: st.lists(_uuids, min_size=1, max_size=2),
    list[int]: st.just([131047]),
    dict[str, Any]: st.sampled_from([{}, {"category": "utility"}, {"origin": "referral_conversion"}]),
    datetime: st.just(datetime.fromtimestamp(NOW, UTC)),
    UUID: st.just(UUID(int=3)),
}
_of_name = {"source": st.sampled_from(SOURCES), "send_id": _uuids}


@cache
def any_of(event: type[Event]) -> st.SearchStrategy[Event]:
    """An event of a class, by the types of its fields."""
    hints = get_type_hints(event)
    return st.builds(event, **{one.name: _field(one.name, hints[one.name]) for one in fields(event)})


def _field(name: str, hint: Any) -> st.SearchStrategy[Any]:
    parts = get_args(hint) if NoneType in get_args(hint) else (hint,)
    is_key = name.endswith("key") or name == "message_event"
    return st.one_of(*(_uuids if is_key and part is str else _named(name, part) for part in parts))


def _named(name: str, part: Any) -> st.SearchStrategy[Any]:
    return _of_name.get(name, _of_hint[part]) if part is str else _of_hint[part]


def rows(projection: Projection, event: Event) -> list[object]:
    """What it makes of one event."""
    return [row for table in projection.tables for row in table.rows([Recorded(7, event)])]


@BY_NAME
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_an_event_that_a_projection_does_not_fold_makes_no_row(
    projection: Projection, data: st.DataObject
) -> None:
    others = [event for event in TOPICS.values() if event not in projection.folds]
    for event in others:
        assert rows(projection, data.draw(any_of(event))) == []


@BY_NAME
def test_each_class_that_a_projection_folds_makes_rows(projection: Projection) -> None:
    enough = settings(max_examples=500, phases=[Phase.generate], database=None)
    for event in projection.folds:
        assert find(any_of(event), lambda one: bool(rows(projection, one)), settings=enough)
