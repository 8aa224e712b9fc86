from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Account, Fact
from domain.ids import Ids
from domain.templates import Known, Remembered, check, differences, drifted, read, render

Json = dict[str, Any]

IDS = Ids(bytes(32))
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOW = int(AT.timestamp())


def text(value: Any = "Ann", **more: Any) -> Json:
    return {"type": "text", "text": value, **more}


def template(*components: Json, **more: Any) -> Json:
    return {"name": "n", "language": "en", "category": "UTILITY", "components": list(components), **more}


BODY = {"type": "BODY", "text": "Hello {{1}}, see you on {{2}}."}
PLAIN = template(BODY)
NAMED = template(
    {"type": "HEADER", "format": "TEXT", "text": "Order {{order}}"},
    {"type": "BODY", "text": "{{who}}: {{order}}, {{order}}"},
    parameter_format="NAMED",
)
IMAGE = template({"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Hi"})
HEADED = template({"type": "HEADER", "format": "TEXT", "text": "For {{1}}"}, {"type": "BODY", "text": "Hi"})
BUTTONS = template(
    {"type": "BODY", "text": "Hi"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Yes"},
            {"type": "URL", "text": "Go", "url": "https://a.example/{{1}}"},
            {"type": "URL", "text": "Home", "url": "https://a.example/"},
            {"type": "COPY_CODE", "text": "Copy"},
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+1555"},
        ],
    },
)


def known(listed: Json, **more: Any) -> Known:
    definition = read(listed)
    assert definition is not None
    return Known(**{"status": "APPROVED", "definition": definition} | more)


def body(*parameters: Json) -> Json:
    return {"type": "body", "parameters": list(parameters)}


def header(*parameters: Json) -> Json:
    return {"type": "header", "parameters": list(parameters)}


def button(index: Any, sub_type: str, *parameters: Json) -> Json:
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": list(parameters)}


GO = button("1", "url", text("a"))
DATE = {"type": "date_time", "date_time": {"fallback_value": "Monday"}}
MONEY = {"type": "currency", "currency": {"fallback_value": "£5", "code": "GBP", "amount_1000": 5000}}
PICTURE = {"type": "image", "image": {"id": "1"}}
CODE = {"type": "coupon_code", "coupon_code": "SPRING"}


@pytest.mark.parametrize(
    ("listed", "components"),
    [
        (PLAIN, [body(text(), text())]),
        (PLAIN, [body(MONEY, DATE)]),
        (PLAIN, [{"type": "BODY", "parameters": [text(), text("a    b")]}]),
        (
            NAMED,
            [header(text(parameter_name="order")), body(*(text(parameter_name=n) for n in ("order", "who")))],
        ),
        (IMAGE, [header(PICTURE)]),
        (HEADED, [header(text("x" * 56))]),
        (BUTTONS, [GO]),
        (
            BUTTONS,
            [button(1, "URL", text("a")), button("0", "quick_reply", {"type": "payload", "payload": "p"})],
        ),
        (BUTTONS, [GO, button("3", "copy_code", CODE)]),
        (template({"type": "BODY", "text": "Hi"}), None),
        (template({"type": "BODY", "text": "Hi"}), []),
        (template({"type": "BODY", "text": "Hi {{1}}"}, category="AUTHENTICATION"), [body(text()), GO]),
    ],
)
def test_what_fits_the_template_passes(listed: Json, components: list[Json] | None) -> None:
    sent = {"name": "n"} if components is None else {"name": "n", "components": components}
    assert check(sent, known(listed)) is None


@pytest.mark.parametrize(
    ("listed", "components", "code", "parameter"),
    [
        (PLAIN, [], 132000, "body.parameters"),
        (PLAIN, [body(text())], 132000, "body.parameters"),
        (PLAIN, [body(text(), text(), text())], 132000, "body.parameters"),
        (PLAIN, [header(text()), body(text(), text())], 132000, "header.parameters"),
        (PLAIN, [body(text(), PICTURE)], 132012, "body.parameters[1]"),
        (PLAIN, [body(text(), {"type": "date_time"})], 132012, "body.parameters[1].date_time"),
        (PLAIN, [body({"type": "currency", "currency": {}}, text())], 132012, "body.parameters[0].currency"),
        (PLAIN, [body(text(), text("a\nb"))], 132018, "body.parameters[1].text"),
        (PLAIN, [body(text("a\tb"), text())], 132018, "body.parameters[0].text"),
        (PLAIN, [body(text("a     b"), text())], 132018, "body.parameters[0].text"),
        (PLAIN, [body(text(""), text())], 132018, "body.parameters[0].text"),
        (PLAIN, [body(text("x" * 1003), text("y" * 10))], 132005, "body"),
        (HEADED, [header(text("x" * 57))], 132005, "header"),
        (
            NAMED,
            [
                header(text(parameter_name="order")),
                body(text(parameter_name="who"), text(parameter_name="x")),
            ],
            132012,
            "body.parameters[1].parameter_name",
        ),
        (NAMED, [header(text())], 132012, "header.parameters[0].parameter_name"),
        (
            NAMED,
            [
                header(text(parameter_name="order")),
                body(text(parameter_name="who"), text(parameter_name="who")),
            ],
            132012,
            "body.parameters[1].parameter_name",
        ),
        (IMAGE, [], 132012, "header.parameters[0]"),
        (IMAGE, [header(text())], 132012, "header.parameters[0]"),
        (IMAGE, [header({"type": "image", "image": "1"})], 132012, "header.parameters[0].image"),
        (IMAGE, [header(PICTURE, PICTURE)], 132000, "header.parameters"),
        (BUTTONS, [], 131008, "buttons[1].parameters"),
        (BUTTONS, [button("1", "url")], 132000, "buttons[1].parameters"),
        (BUTTONS, [button("1", "url", CODE)], 132012, "buttons[1].parameters[0]"),
        (BUTTONS, [GO, button("5", "url", text())], 132012, "buttons[5]"),
        (BUTTONS, [GO, button("0", "url", text())], 132012, "buttons[0].sub_type"),
        (BUTTONS, [GO, button("3", "copy_code", text())], 132012, "buttons[3].parameters[0]"),
    ],
)
def test_what_does_not_fit_is_refused_with_whatsapps_own_code(
    listed: Json, components: list[Json], code: int, parameter: str
) -> None:
    fault = check({"components": components}, known(listed))

    assert fault is not None
    assert (fault.code, fault.parameter) == (code, parameter)
    assert fault.parameter in fault.details or fault.code == 132005


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("PAUSED", 132015),
        ("DISABLED", 132016),
        ("PENDING", 132001),
        ("REJECTED", 132001),
        ("DELETED", 132001),
        ("APPROVED", None),
        ("FLAGGED", None),
        ("A_WORD_OF_TOMORROW", None),
        (None, None),
    ],
)
def test_a_template_that_cannot_be_sent_is_refused_by_its_status(
    status: str | None, code: int | None
) -> None:
    fault = check({"name": "n"}, Known(status=status))
    assert (fault.code if fault else None) == code


@pytest.mark.parametrize(
    "components",
    [
        "none",
        [{"type": "carousel", "cards": []}],
        [{"type": "body", "parameters": "none"}],
        [{"type": "body", "parameters": [{"type": "of_tomorrow"}]}],
        [{"type": "body", "parameters": [{"type": "text", "text": 5}]}],
        [body(), body()],
        [button("x", "url", text())],
        [
            {
                "type": "button",
                "sub_type": "flow",
                "index": "0",
                "parameters": [{"type": "action", "action": {}}],
            }
        ],
        ["none"],
        [None],
        [body(text(parameter_name=["a"]))],
    ],
)
def test_what_this_release_does_not_know_is_for_whatsapp_to_judge(components: Any) -> None:
    assert check({"components": components}, known(PLAIN)) is None
    assert render({"components": components}, known(PLAIN).definition) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "listed",
    [
        {},
        {"components": "x"},
        template(),
        template(BODY, BODY),
        template(BODY, {"type": "CAROUSEL", "cards": []}),
        template(BODY, {"type": "LIMITED_TIME_OFFER"}),
        template(BODY, {"type": "BUTTONS", "buttons": ["x"]}),
        template(BODY, "x"),  # type: ignore[arg-type]
    ],
)
def test_a_template_of_components_that_this_release_does_not_know_is_not_judged(listed: Json) -> None:
    assert read(listed) is None


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "index", "sub_type", "parameters", "image"]), inner
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("variable", ["{{ 1 }}", "{{first-name}}", "{{größe}}"])
def test_variables_that_this_release_does_not_read_are_for_whatsapp_to_judge(variable: str) -> None:
    listed = template({"type": "BODY", "text": f"Hello {variable}."})
    assert check({"components": [body(text())]}, known(listed)) is None
    assert check({}, known(listed)) is None


@given(json, json, st.sampled_from([PLAIN, NAMED, IMAGE, HEADED, BUTTONS]))
def test_no_shape_of_a_send_or_of_a_listing_raises(sent: Any, listed: Any, good: Json) -> None:
    check({"components": sent}, known(good))
    render({"components": sent}, known(good).definition)  # type: ignore[arg-type]
    definition = read({"components": listed})
    if definition:
        check({"components": sent}, Known(definition=definition))


def test_the_text_that_the_person_reads() -> None:
    rendered = render(
        {
            "components": [
                header(text("7", parameter_name="order")),
                body(text("{{who}}", parameter_name="order")),
            ]
        },
        known(NAMED).definition,  # type: ignore[arg-type]
    )
    assert rendered == "Order 7\n{{who}}: {{who}}, {{who}}"
    assert render({"components": [header(PICTURE)]}, known(IMAGE).definition) == "[image]\nHi"  # type: ignore[arg-type]
    assert render({"components": [GO]}, known(BUTTONS).definition) == (  # type: ignore[arg-type]
        "Hi\n[Yes]\n[Go: https://a.example/a]\n[Home: https://a.example/]\n[Copy]\n[Call]"
    )


@pytest.mark.parametrize(
    ("first", "now", "expected"),
    [
        ("UTILITY", "MARKETING", True),
        ("AUTHENTICATION", "MARKETING", True),
        ("MARKETING", "MARKETING", False),
        ("MARKETING", "UTILITY", False),
        (None, "MARKETING", False),
        ("UTILITY", None, False),
    ],
)
def test_a_template_drifts_when_whatsapp_makes_it_a_marketing_one(
    first: str | None, now: str | None, *, expected: bool
) -> None:
    assert drifted(Known(category=now, first_category=first)) is expected


LISTED = template(BODY, status="APPROVED", quality_score={"score": "GREEN"}, id="7")


def found(listing: list[Json], remembered: dict[tuple[str, str], Remembered] | None = None) -> list[Fact]:
    return differences("waba", listing, remembered or {}, at=AT, ids=IDS)


def as_remembered(fact: Fact) -> Remembered:
    names = ("status", "category", "quality", "definition")
    return Remembered(newest=fact.public["at_used"], **{name: fact.public[name] for name in names})


def test_a_listed_template_becomes_a_fact_with_its_components_sealed() -> None:
    [fact] = found([LISTED])

    assert (fact.line, fact.subject) == (None, Account("waba"))
    assert fact.private == {"item": LISTED}
    assert (
        fact.public.items()
        >= {
            "name": "n",
            "language": "en",
            "event": "synced",
            "status": "APPROVED",
            "category": "UTILITY",
            "quality": "GREEN",
            "at_used": NOW,
            "template_id": "7",
        }.items()
    )


def test_nothing_is_recorded_where_nothing_changed_though_examples_are_signed_anew() -> None:
    before = as_remembered(*found([LISTED]))
    again = LISTED | {"components": [BODY | {"example": {"header_handle": ["https://a.example/?sig=2"]}}]}

    assert found([again], {("n", "en"): before}) == []


def test_a_change_is_recorded_later_than_what_it_replaces_and_once_by_several_gateways() -> None:
    before = Remembered(newest=NOW + 100, status="APPROVED", category="UTILITY")
    one, other = (found([LISTED | {"status": "PAUSED"}], {("n", "en"): before}) for _ in range(2))

    assert one == other
    assert (one[0].public["status"], one[0].public["at_used"]) == ("PAUSED", NOW + 101)
    assert one[0].key != found([LISTED], {("n", "en"): before})[0].key


@pytest.mark.parametrize(
    ("before", "gone"),
    [
        (Remembered(newest=NOW - 3600, status="APPROVED"), True),
        (Remembered(newest=NOW - 3600, status="DELETED"), False),
        (Remembered(newest=NOW - 60, status="APPROVED"), False),
    ],
)
def test_what_the_list_lacks_is_deleted_unless_just_told_of(before: Remembered, *, gone: bool) -> None:
    facts = found([LISTED], {("old", "en"): before, ("n", "en"): as_remembered(*found([LISTED]))})

    assert [fact.public["status"] for fact in facts] == (["DELETED"] if gone else [])


@given(st.lists(json))
def test_no_listing_raises(listing: list[Any]) -> None:
    found(
        [one for one in listing if isinstance(one, dict)]
        + [{"name": "n", "language": "en", "components": listing}]
    )
