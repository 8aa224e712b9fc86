"""Markets, the table of openers, and keyed ids."""

from __future__ import annotations

import hmac
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import Ids, Part
from domain.markets import prefix_of_bsuid, prefix_of_phone
from domain.openers import DEFAULT, RULES, Effect, Openers

IDS = Ids(b"p" * 32)


@pytest.mark.parametrize(
    ("digits", "prefix"),
    [
        ("447700900123", "44"),
        ("12025550123", "1202"),  # +1 is many markets': three more digits
        ("77012345678", "7701"),
        ("353851234567", "353"),
        ("4", None),
        ("44", "44"),
        ("12", "12"),
        ("447700900123000000000", "44"),
        ("999123456", None),
        ("0012025550123", None),
        ("210123456", None),
    ],
)
def test_a_market_is_a_calling_code_with_three_more_digits_after_1_and_7(
    digits: str, prefix: str | None
) -> None:
    assert prefix_of_phone(digits) == prefix


@given(st.from_regex(r"[0-9]{1,20}", fullmatch=True))
def test_a_prefix_begins_the_number_and_is_too_short_to_name_a_person(digits: str) -> None:
    prefix = prefix_of_phone(digits)

    assert prefix is None or (digits.startswith(prefix) and len(prefix) <= 4)


def test_a_user_ids_country_is_marked() -> None:
    assert prefix_of_bsuid("BR.1234567890") == "bsuid:BR"


def _of(openers: Openers, rule: str) -> list[Effect | None]:
    """What the facts do that a rule is about."""
    reply = ("interactive", "call_permission_reply")
    facts = {
        "business_call_other": [
            openers.of_call("connect", "BUSINESS_INITIATED", None),
            openers.of_call("status", "BUSINESS_INITIATED", "RINGING"),
            openers.of_call("status", "BUSINESS_INITIATED", "REJECTED"),
        ],
        "reaction": [openers.of_message("reaction", None, None, "live")],
        "call_permission_by_user": [openers.of_message(*reply, "user_action", "live")],
        "call_permission_automatic": [
            openers.of_message(*reply, "automatic", "live"),
            openers.of_message(*reply, None, "live"),
        ],
        "edit": [openers.of_message("edit", None, None, "live")],
        "revoke": [openers.of_message("revoke", None, None, "live")],
        "unsupported": [openers.of_message("unsupported", "poll", None, "live")],
        "unknown_type": [openers.of_message("hologram", None, None, "live")],
        "history": [openers.of_message("text", None, None, "history")],
        "standby": [openers.of_message("text", None, None, "standby")],
        "import": [openers.of_message("imported", None, None, "import")],
        "number_changed": [
            openers.of_message("system", "user_changed_number", None, "live"),
            openers.of_message("system", "customer_changed_number", None, "live"),
        ],
    }
    return facts[rule]


ASSUMED: list[tuple[str, str, bool, Effect]] = [
    ("7", "business_call_other", False, "assumed"),
    ("11", "reaction", False, "assumed"),
    ("12", "call_permission_by_user", False, "assumed"),
    ("13", "call_permission_automatic", False, "assumed"),
    ("14 edit", "edit", False, "assumed"),
    ("14 revoke", "revoke", False, "assumed"),
    ("15", "unsupported", True, "assumed"),
    ("15 newer", "unknown_type", True, "assumed"),
    ("18", "history", False, "assumed"),
    ("19", "standby", False, "assumed"),
    ("own", "import", True, "assumed"),
    ("28", "number_changed", True, "closes"),
]


@pytest.mark.parametrize(("row", "rule", "is_on", "effect"), ASSUMED, ids=[row for row, *_ in ASSUMED])
def test_an_assumed_rule_can_be_switched(row: str, rule: str, effect: Effect, *, is_on: bool) -> None:
    on, off = DEFAULT.with_overrides({rule: True}), DEFAULT.with_overrides({rule: False})

    assert set(_of(on, rule)) == {effect}, row
    assert set(_of(off, rule)) == {None}, row
    assert _of(DEFAULT, rule) == _of(on if is_on else off, rule)


@pytest.mark.parametrize("rule", [rule for _, rule, *_ in ASSUMED])
def test_a_switch_changes_nothing_else(rule: str) -> None:
    switched = DEFAULT.with_overrides({rule: not DEFAULT.rules[rule].is_on})

    others = [other for _, other, *_ in ASSUMED if other != rule]
    assert [_of(switched, other) for other in others] == [_of(DEFAULT, other) for other in others]
    assert switched.of_message("text", None, None, "live") == "confirmed"
    assert switched.of_call("connect", "USER_INITIATED", None) == "confirmed"
    assert switched.of_call("status", "BUSINESS_INITIATED", "ACCEPTED") == "confirmed"


def test_the_table_itself_is_not_changed_by_a_switch() -> None:
    DEFAULT.with_overrides({"reaction": True})

    assert DEFAULT.rules is RULES
    assert not RULES["reaction"].is_on


def test_the_rules_that_can_be_switched_are_these() -> None:
    assert {name for name, rule in RULES.items() if rule.is_assumed} == {rule for _, rule, *_ in ASSUMED}


@pytest.mark.parametrize(
    "rule", ["message", "user_call", "business_call_accepted", "notice", "echo", "no_such_rule"]
)
@pytest.mark.parametrize("is_on", [True, False])
def test_a_confirmed_or_unknown_rule_cannot_be_switched(rule: str, *, is_on: bool) -> None:
    with pytest.raises(ValueError, match=f"'{rule}' is no rule that may be switched"):
        DEFAULT.with_overrides({"reaction": True, rule: is_on})


@pytest.mark.parametrize("source", ["echo", "brand_new"])
def test_only_live_messages_and_switched_copies_open(source: str) -> None:
    everything = DEFAULT.with_overrides({rule: True for _, rule, *_ in ASSUMED})

    assert everything.of_message("text", None, None, source) is None


@pytest.mark.parametrize("copy", ["history", "standby"])
def test_a_copy_of_what_opens_nothing_opens_nothing(copy: str) -> None:
    openers = DEFAULT.with_overrides({copy: True})

    assert openers.of_message("request_welcome", None, None, copy) is None
    assert openers.of_message("system", "user_changed_number", None, copy) is None


def test_the_end_of_a_call_opens_nothing() -> None:
    everything = DEFAULT.with_overrides({"business_call_other": True})

    assert everything.of_call("terminate", "USER_INITIATED", "COMPLETED") is None
    assert everything.of_call("terminate", "BUSINESS_INITIATED", "COMPLETED") is None
    assert everything.of_call("connect", None, None) is None


def test_each_part_of_a_key_is_framed() -> None:
    keys = [
        IDS.key("p", "ab", "c"),
        IDS.key("p", "a", "bc"),
        IDS.key("p", "abc"),
        IDS.key("pa", "bc"),
        IDS.key("p", "abc", ""),
        IDS.key("p", "abc", None),
        IDS.key("p", "", "abc"),
        IDS.key("p", None, "abc"),
    ]

    assert len(set(keys)) == len(keys)


PARTS: st.SearchStrategy[Part] = st.none() | st.text() | st.integers() | st.uuids()


def _meant(part: Part) -> object:
    """A number is its digits."""
    return str(part) if isinstance(part, int) else part


@given(st.lists(PARTS, max_size=4), st.lists(PARTS, max_size=4))
def test_keys_are_equal_only_for_equal_parts(one: list[Part], other: list[Part]) -> None:
    is_same = [_meant(part) for part in one] == [_meant(part) for part in other]

    assert (IDS.key("p", *one) == IDS.key("p", *other)) == is_same


@given(st.text(st.characters(), max_size=20) | st.binary(max_size=20))
def test_a_key_is_a_uuid_version_8_of_the_pepper(part: str | bytes) -> None:
    key = IDS.key("p", part)

    assert (key.version, key.variant) == (8, UUID(int=0x8000 << 48).variant)
    assert key == Ids(b"p" * 32).key("p", part) != Ids(b"q" * 32).key("p", part)


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32))
def test_a_key_is_the_hmac_of_its_framed_parts(part: bytes, pepper: bytes) -> None:
    framed = b"".join(len(one).to_bytes(4, "big") + one for one in (b"p", part))
    version_and_variant = (6, 8)

    made, digest = Ids(pepper).key("p", part).bytes, hmac.digest(pepper, framed, "sha256")

    assert all(made[n] == digest[n] for n in range(16) if n not in version_and_variant)


def test_a_lone_surrogate_has_a_key_of_its_own() -> None:
    assert IDS.key("p", "\ud800") != IDS.key("p", "\ud801")


def test_a_number_has_one_id_however_it_is_written() -> None:
    assert IDS.number("+1 555-010-0001") == IDS.number("15550100001")
