"""Callbacks as nobody should send them: nothing is lost, nothing raises, and good items go on."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from odd import JSON, mutated

from domain.events import MessageReceived, Recorded, StatusReceived, UnrecognisedReceived, make
from domain.facts import Alias, AliasKind, Fact, Item, Person
from domain.ids import Ids
from domain.inbound import updates, wire
from domain.openers import DEFAULT
from gateway import errors
from gateway.store.codec import decode, encode
from gateway.store.keyring import SubjectKey

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
IDS = Ids(b"p" * 32)
ACCOUNT, LINE = "102000000000001", "106000000000001"
ANN = Person((Alias(AliasKind.PHONE, "447700900123"),))
GOOD = {"from": "447700900123", "id": "wamid.good", "timestamp": "1795305600", "type": "text"}
KEY = SubjectKey(UUID(int=7), AESGCM(b"k" * 32))
STREAM = UUID(int=9)


def facts_of(text: bytes) -> list[Fact]:
    made = updates(text, ids=IDS, openers=DEFAULT, recorded_at=NOW)
    return [fact for update in made for fact in update]


def one(text: bytes) -> Fact:
    (fact,) = facts_of(text)
    return fact


def body(field: str, /, *, time: Any = None, **value: Any) -> dict[str, Any]:
    about = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": LINE}}
    changes = [{"field": field, "value": about | value}]
    return {"entry": [{"id": ACCOUNT, "changes": changes} | ({} if time is None else {"time": time})]}


def messages(*items: Any, time: Any = None) -> bytes:
    return json.dumps(body("messages", time=time, messages=[*items])).encode()


def stored(fact: Fact) -> dict[str, Any]:
    """What is read, and answered, of a fact's personal data after its event went through the log."""
    bound = b"bound"
    sealed = KEY.seal(fact.private, bound)
    event = make(
        fact.event,
        STREAM,
        recorded_at=fact.recorded_at,
        line=fact.line,
        key=fact.key,
        sealed=sealed,
        **fact.public,
    )
    read = decode(1, STREAM, 0, *encode(event))
    assert isinstance(read, Recorded)
    assert vars(read.event) == vars(event)
    opened = KEY.open(read.event.sealed or "", bound)
    answer = errors.json({"events": [{"data": {"opened": opened}}]}).body
    assert isinstance(answer, bytes)
    assert wire.load(answer) == {"events": [{"data": {"opened": opened}}]}
    return opened


def kept(fact: Fact) -> dict[str, Any]:
    """The same, without where it stood."""
    return {name: value for name, value in stored(fact).items() if name != "envelope"}


def raw(fact: Fact) -> bytes:
    """The body that was kept byte by byte."""
    assert (fact.event, type(fact.subject)) == (UnrecognisedReceived, Item)
    return base64.b64decode(stored(fact)["body"])


@pytest.mark.parametrize(
    "text",
    [b"", b"not JSON", b'{"entry": [', b"\xff\xfe\x00", b'{"a": 1} x', b"\x00", b'"\xed\xa0"', b"9" * 5000],
)
def test_what_is_no_json_is_kept_byte_by_byte(text: bytes) -> None:
    fact = one(text)

    assert fact.public == {"reason": "not JSON", "account": "unknown"}
    assert raw(fact) == text
    assert one(text).key == fact.key


@pytest.mark.parametrize(
    "text", [b"{}", b"[]", b"null", b"7", b'"entry"', b'{"entry": {}}', b'{"entry": null}']
)
def test_json_without_entries_is_kept(text: bytes) -> None:
    fact = one(text)

    assert (fact.event, fact.public["reason"]) == (UnrecognisedReceived, "no entry")
    assert kept(fact) == ({"item": json.loads(text)} if text != b"null" else {})


def test_a_byte_order_mark_costs_nothing() -> None:
    assert one(b"\xef\xbb\xbf" + messages(GOOD)).key == one(messages(GOOD)).key


@pytest.mark.parametrize("written", ["\ud83d", "a\udc00b", "\x00", "a\x00b", "\U0001f600"])
def test_a_text_is_kept_exactly_whatever_is_in_it(written: str) -> None:
    fact = one(messages(GOOD | {"text": {"body": written}}))

    assert (fact.event, fact.subject) == (MessageReceived, ANN)
    assert stored(fact)["item"]["text"]["body"] == written


@pytest.mark.parametrize("written", ["\ud83d", "w\x00", "w\x00\udc00"])
def test_an_id_may_hold_anything_and_shows_in_the_open_as_a_keyed_id_only(written: str) -> None:
    fact = one(messages(GOOD | {"id": written}))

    assert fact.public["message_key"] == str(IDS.message(written))
    assert stored(fact)["message_id"] == written


@pytest.mark.parametrize("written", ["type", "status", "category", "field"])
@pytest.mark.parametrize(
    "text", ["\x00", "a\x00", "\ud800", "+44 7700 900123", "x" * 65, "Ann, with a comma"]
)
def test_a_word_that_is_none_does_not_stand_in_the_open(written: str, text: str) -> None:
    callbacks = {
        "type": messages(GOOD | {"type": text}),
        "status": json.dumps(body("messages", statuses=[{"id": "w", "status": text}])).encode(),
        "category": json.dumps(
            body("messages", statuses=[{"id": "w", "status": "sent", "pricing": {"category": text}}])
        ).encode(),
        "field": json.dumps(body(text)).encode(),
    }
    fact = one(callbacks[written])

    assert text not in json.loads(orjson.dumps(fact.public)).values()
    assert fact.public.get(written) in ("unknown", None) or written in ("status", "category")
    stored(fact)


def test_what_is_no_number_is_kept_as_its_text() -> None:
    text = messages(GOOD | {"x": [float("nan"), float("inf"), float("-inf")]})

    assert stored(one(text))["item"]["x"] == ["NaN", "Infinity", "-Infinity"]
    assert stored(one(text.replace(b"-Infinity", b"-1e999")))["item"]["x"] == ["NaN", "Infinity", "-1e999"]


@pytest.mark.parametrize("number", [2**63, 2**64, 2**64 + 1, -(2**63) - 1, 10**40 + 1, 10**18 + 1])
def test_integers_are_kept_exactly_however_long(number: int) -> None:
    fact = one(messages(GOOD | {"x": number, "list": [number, {"y": number}]}))

    item = stored(fact)["item"]
    assert (item["x"], item["list"]) == (number, [number, {"y": number}])


@pytest.mark.parametrize("code", [2**63, -(2**63) - 1, 10**40, True, "131047", 131047.0, None])
def test_a_code_that_no_table_can_hold_is_no_code(code: Any) -> None:
    status = {"id": "w", "status": "failed", "recipient_id": "447700900123", "errors": [{"code": code}]}
    facts = [
        *facts_of(json.dumps(body("messages", statuses=[status])).encode()),
        *facts_of(json.dumps(body("messages", errors=[{"code": code}])).encode()),
        one(messages(GOOD | {"errors": [{"code": code}]})),
    ]

    assert [(fact.public.get("code"), fact.public.get("errors")) for fact in facts] == [(None, None)] * 3
    assert stored(facts[0])["item"]["errors"] == [{"code": code}]


def _deep(levels: int) -> bytes:
    return messages(GOOD | {"x": "here"}).replace(b'"here"', b"[" * levels + b"]" * levels)


@pytest.mark.parametrize("levels", [1025, 5000, 200_000])
def test_a_body_that_is_too_deep_is_kept_byte_by_byte(levels: int) -> None:
    for text in (_deep(levels), b"[" * levels + b"]" * levels):
        fact = one(text)

        assert fact.public["reason"] == "too deep"
        assert raw(fact) == text


def _from_below(frames: int, fact: Fact) -> dict[str, Any]:
    return stored(fact) if frames == 0 else _from_below(frames - 1, fact)


@pytest.mark.parametrize("levels", [200, 253, 254, 300, 498, 499, 500, 700, 900, 980, 1000, 1020])
def test_what_is_deep_can_be_sealed_and_read_from_deep_in_the_stack(levels: int) -> None:
    text = _deep(levels)
    fact = one(text)

    kept = _from_below(200, fact)
    if levels < 500:
        assert kept["item"] == json.loads(text)["entry"][0]["changes"][0]["value"]["messages"][0]
    else:
        assert (fact.public["reason"], raw(fact)) == ("too deep", text)


def test_an_item_that_is_too_deep_costs_the_others_nothing() -> None:
    text = messages(GOOD, {"x": "here"}, GOOD | {"id": "wamid.2"}).replace(b'"here"', b"[" * 900 + b"]" * 900)

    first, deep, last = facts_of(text)

    assert (first.key, last.event) == (one(messages(GOOD)).key, MessageReceived)
    assert raw(deep) == text


NO_OBJECTS = [None, 7, "text", [], [GOOD], True, 1.5]


@pytest.mark.parametrize("item", NO_OBJECTS, ids=repr)
def test_an_item_that_is_no_object_costs_the_others_nothing(item: Any) -> None:
    first, odd, last = facts_of(messages(GOOD, item, GOOD | {"id": "wamid.2"}))

    assert (first.subject, last.subject) == (ANN, ANN)
    assert (odd.event, odd.public["reason"]) == (UnrecognisedReceived, "not an object")
    assert kept(odd) == {"item": {"messages": item}}


@pytest.mark.parametrize("found", [None, 7, "text", {}, {"0": GOOD}], ids=repr)
def test_a_list_that_is_no_list_costs_the_others_nothing(found: Any) -> None:
    odd, status = facts_of(
        json.dumps(
            body(
                "messages", messages=found, statuses=[{"id": "w", "status": "sent", "recipient_id": "44770"}]
            )
        ).encode()
    )

    assert (odd.public["reason"], kept(odd)) == ("unknown key", {"item": {"messages": found}})
    assert status.event is StatusReceived


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, {"changes": {}}, {"id": [], "changes": 3}], ids=repr)
def test_an_entry_without_changes_costs_the_others_nothing(odd: Any) -> None:
    good = json.loads(messages(GOOD))["entry"][0]

    first, middle, last = facts_of(json.dumps({"entry": [good, odd, good]}).encode())

    assert first.key == last.key == one(messages(GOOD)).key
    assert middle.public["reason"] == "no changes"


@pytest.mark.parametrize(
    "odd",
    [None, 7, [], {}, {"field": "messages"}, {"field": 1, "value": {}}, {"field": "messages", "value": []}],
)
def test_a_change_without_field_or_value_costs_the_others_nothing(odd: Any) -> None:
    callback = json.loads(messages(GOOD))
    callback["entry"][0]["changes"].insert(0, odd)

    broken, good = facts_of(json.dumps(callback).encode())

    assert broken.public["reason"] == "no field or value"
    assert broken.public["account"] == ACCOUNT
    assert good.key == one(messages(GOOD)).key


@pytest.mark.parametrize(
    ("field", "lists"), [("messages", {}), ("messages", {"messages": []}), ("history", {"history": []})]
)
def test_a_value_without_items_is_kept(field: str, lists: Any) -> None:
    empty = one(json.dumps(body(field, **lists)).encode())

    assert (empty.public["reason"], empty.private["item"]["messaging_product"]) == ("no items", "whatsapp")


def test_a_new_list_is_kept() -> None:
    new = body("messages", holograms=[GOOD])

    assert one(json.dumps(new).encode()).private["item"] == {"holograms": [GOOD]}


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}, {"id": []}, {"id": True}], ids=repr)
def test_a_message_without_an_id_is_kept_for_its_sender(missing: dict[str, Any]) -> None:
    item = {name: value for name, value in GOOD.items() if name != "id"} | missing

    fact = one(messages(item))

    assert (fact.event, fact.public["reason"], fact.subject) == (UnrecognisedReceived, "no id", ANN)
    assert kept(fact) == {"item": item}
    assert fact.key != one(messages(item | {"timestamp": "1795305601"})).key


def test_a_message_of_nobody_opens_nothing_and_has_a_key_of_its_own() -> None:
    fact = one(messages({"id": "w", "type": "text"}))

    assert (fact.event, fact.subject, fact.public.get("opens")) == (MessageReceived, Item(ACCOUNT), None)


def test_a_message_without_a_sender_is_the_only_contacts() -> None:
    nameless = {"id": "w", "type": "text"}
    contacts = [{"wa_id": "447700900123"}, {"wa_id": "447700900456"}]

    alone = one(json.dumps(body("messages", contacts=contacts[:1], messages=[nameless])).encode())
    several = one(json.dumps(body("messages", contacts=contacts, messages=[nameless])).encode())

    assert (alone.subject, several.subject) == (ANN, Item(ACCOUNT))


def test_ids_are_read_as_texts_or_numbers_and_odd_ones_are_left_out() -> None:
    callback = json.loads(messages(GOOD))
    callback["entry"][0]["id"] = int(ACCOUNT)
    callback["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = int(LINE)
    numbers = one(json.dumps(callback).encode())
    callback["entry"][0]["changes"][0]["value"]["metadata"] = [LINE]
    nowhere = one(json.dumps(callback).encode())

    assert (numbers.line, numbers.key) == (LINE, one(messages(GOOD)).key)
    assert (nowhere.line, nowhere.event) == (None, MessageReceived)


TIMES = [
    ("1795305600", 1_795_305_600),
    (1_795_305_600, 1_795_305_600),
    (1_795_305_600.9, 1_795_305_600),
    ("1795305600123", 1_795_305_600),
    (1_795_305_600_123, 1_795_305_600),
    (SECONDS + 300, SECONDS + 300),
    (1_230_768_000, 1_230_768_000),
]
ABSURD = [
    *(None, "", "soon", "-5", -5, 0, "0", 1, 1_230_767_999, 1e300, "1" * 19, "1" * 40, 10**30, True, [], {}),
    *("1795305600.5", "\u0661\u0667\u0669\u0665\u0663\u0660\u0665\u0666\u0660\u0660", "+1795305600"),
]


@pytest.mark.parametrize(("written", "at"), TIMES, ids=repr)
def test_a_time_is_whatsapps_own_in_whole_seconds(written: Any, at: int) -> None:
    public = one(messages(GOOD | {"timestamp": written})).public

    assert (public["at"], public["at_used"]) == (at, min(at, SECONDS + 300))


@pytest.mark.parametrize("written", [SECONDS + 301, SECONDS + 86_400, str((SECONDS + 301) * 1000)], ids=repr)
def test_a_time_in_the_future_is_told_and_used_as_five_minutes_ahead(written: Any) -> None:
    public = one(messages(GOOD | {"timestamp": written})).public

    assert public["at"] > SECONDS + 300
    assert public["at_used"] == SECONDS + 300


@pytest.mark.parametrize("written", ABSURD, ids=repr)
def test_an_absurd_time_is_none_and_ours_is_used(written: Any) -> None:
    public = one(messages(GOOD | {"timestamp": written})).public

    assert public.get("at") is None
    assert public["at_used"] == SECONDS


def test_a_missing_time_is_the_entrys_or_ours() -> None:
    timeless = {name: value for name, value in GOOD.items() if name != "timestamp"}

    ours, entrys = one(messages(timeless)).public, one(messages(timeless, time=1_795_305_000)).public
    absurd = one(messages(timeless, time=[1])).public

    assert (ours.get("at"), ours["at_used"]) == (None, SECONDS)
    assert (entrys["at"], entrys["at_used"]) == (1_795_305_000, 1_795_305_000)
    assert (absurd.get("at"), absurd["at_used"]) == (None, SECONDS)


@given(mutated() | JSON | st.fixed_dictionaries({"entry": JSON}))
def test_whatever_comes_gives_facts_that_can_be_stored(callback: Any) -> None:
    text = json.dumps(callback).encode()

    facts = facts_of(text)

    for fact in facts:
        stored(fact)
    assert [fact.key for fact in facts_of(text)] == [fact.key for fact in facts]


@given(st.binary(max_size=60))
def test_no_bytes_raise(text: bytes) -> None:
    for fact in facts_of(text):
        stored(fact)


@given(JSON, st.sampled_from([name for name in GOOD if name != "id"]))
def test_one_odd_item_beside_good_ones_costs_them_nothing(odd: Any, name: str) -> None:
    broken = GOOD | {"id": "wamid.odd", name: odd}
    good = [one(messages(GOOD | {"id": f"wamid.{number}"})).key for number in range(2)]

    facts = facts_of(messages(GOOD | {"id": "wamid.0"}, broken, odd, GOOD | {"id": "wamid.1"}))

    assert [facts[0].key, facts[-1].key] == good
    assert len(facts) == 4
