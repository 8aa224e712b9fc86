"""What WhatsApp sent goes out as WhatsApp sent it, whatever it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain import inbound
from domain.destinations import whatsapp
from domain.events import Event, make
from domain.facts import Fact
from domain.ids import Ids
from domain.inbound import wire
from domain.openers import DEFAULT

IDS = Ids(bytes(32))
NOW = datetime(2026, 11, 25, tzinfo=UTC)
PAYLOADS = Path(__file__).parents[1] / "payloads"


def bodies() -> dict[str, Any]:
    """Every callback among the payloads."""
    found = {}
    for path in sorted(PAYLOADS.glob("cloud_*.json")):
        body = orjson.loads(path.read_bytes())
        if "entry" in body:
            found[path.stem] = body
        for number, post in enumerate(body.get("posts", [])):
            found[f"{path.stem}-{number}"] = post
    return found


CALLBACKS = bodies()


def facts_of(body: bytes) -> list[Fact]:
    found = inbound.updates(body, ids=IDS, openers=DEFAULT, recorded_at=NOW)
    return [fact for update in found for fact in update]


def sent_on(fact: Fact) -> bytes:
    return whatsapp.body(event_of(fact), fact.private, account="0", restored=None)


def event_of(fact: Fact) -> Event:
    public = {"line": fact.line, "key": fact.key, "recorded_at": NOW}
    return make(fact.event, UUID(int=1), **public, **fact.public)


def with_item(facts: list[Fact]) -> list[Fact]:
    """A consent by a word is no item of its own."""
    return [fact for fact in facts if whatsapp.has_item(fact.private, event_of(fact))]


@pytest.mark.parametrize("name", CALLBACKS)
def test_each_item_sent_on_is_the_same_fact_for_who_receives_it(name: str) -> None:
    facts = with_item(facts_of(orjson.dumps(CALLBACKS[name])))

    assert facts
    for fact in facts:
        again = with_item(facts_of(sent_on(fact)))
        assert fact in again
        if fact.public.get("field") != "history" and "chunk" not in fact.private["envelope"]:
            assert again == [fact]


def items(callback: Any) -> int:
    lists = [
        len(value)
        for entry in callback["entry"]
        for change in entry["changes"]
        for name, value in change["value"].items()
        if isinstance(value, list) and name != "contacts"
    ]
    return sum(lists)


def is_one(callback: Any) -> bool:
    """Whether it can come back whole.

    Of a history each message is an item, and of contacts only the item's own is kept.
    """
    [entry] = callback["entry"][:1]
    [change] = entry["changes"][:1]
    return (
        items(callback) == 1
        and change["field"] != "history"
        and len(change["value"].get("contacts", [])) <= 1
    )


@pytest.mark.parametrize("name", [name for name, body in CALLBACKS.items() if is_one(body)])
def test_a_callback_with_one_item_is_sent_on_as_it_came(name: str) -> None:
    [fact] = with_item(facts_of(orjson.dumps(CALLBACKS[name])))

    assert orjson.loads(sent_on(fact)) == CALLBACKS[name]


def test_text_is_escaped_as_whatsapp_does() -> None:
    written = whatsapp.written({"text": "ä👋/\x00\u2028"})

    assert written == rb'{"text":"\u00e4\ud83d\udc4b\/\u0000\u2028"}'
    assert wire.load(written) == {"text": "ä👋/\x00\u2028"}


def test_what_was_recorded_before_places_were_kept_is_put_where_it_must_have_stood() -> None:
    came = CALLBACKS["cloud_inbound_text"]
    [fact] = facts_of(orjson.dumps(came))
    older = {name: value for name, value in fact.private.items() if name != "envelope"}

    sent = orjson.loads(whatsapp.body(event_of(fact), older, account="102000000000001", restored=None))

    value, was = sent["entry"][0]["changes"][0]["value"], came["entry"][0]["changes"][0]["value"]
    assert value["messages"] == was["messages"]
    assert value["metadata"]["phone_number_id"] == was["metadata"]["phone_number_id"]
    assert value["contacts"][0]["wa_id"] == was["contacts"][0]["wa_id"]
    assert sent["entry"][0]["id"] == "102000000000001"
