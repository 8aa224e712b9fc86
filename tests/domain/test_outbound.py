from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.outbound import Malformed, Read, SendRequest, parse_cloud, parse_onprem, upstream_body

TEXT = {"messaging_product": "whatsapp", "to": "+447700900123", "type": "text", "text": {"body": "Hi"}}
BSUID = "GB.7700900123456789012"
TEMPLATE = {"name": "order_update", "language": {"code": "en_GB"}}


def as_bytes(body: Any) -> bytes:
    return json.dumps(body).encode()


def cloud(body: Any) -> SendRequest:
    request = parse_cloud(as_bytes(body))
    assert isinstance(request, SendRequest), request
    return request


def onprem(body: Any) -> SendRequest:
    request = parse_onprem(as_bytes(body))
    assert isinstance(request, SendRequest), request
    return request


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in TEXT.items() if name not in names}


@pytest.mark.parametrize("to", ["+447700900123", "447700900123", "+44 (7700) 900-123", " 44 7700 900123"])
def test_to_is_reduced_to_digits_and_goes_upstream_with_a_plus(to: str) -> None:
    request = cloud(TEXT | {"to": to})
    assert (request.to, request.recipient, request.group_id) == ("447700900123", None, None)
    assert upstream_body(request, "ours")["to"] == "+447700900123"


def test_a_bsuid_goes_in_recipient_and_stays_there() -> None:
    request = cloud(without("to") | {"recipient": BSUID})
    assert (request.to, request.recipient, request.contact) == (None, BSUID, BSUID)
    body = upstream_body(request, "ours")
    assert body["recipient"] == BSUID
    assert "to" not in body


def test_a_group_id_is_passed_as_it_is() -> None:
    request = cloud(TEXT | {"recipient_type": "group", "to": "Y2FwaV9ncm91cDox"})
    assert (request.to, request.group_id, request.contact) == (None, "Y2FwaV9ncm91cDox", "Y2FwaV9ncm91cDox")
    assert upstream_body(request, "ours")["to"] == "Y2FwaV9ncm91cDox"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (without("to"), 131008, "to"),
        (TEXT | {"to": ""}, 131008, "to"),
        (TEXT | {"to": None}, 131008, "to"),
        (without("to") | {"recipient_type": "group", "recipient": BSUID}, 131008, "to"),
        (TEXT | {"to": 447700900123}, 131009, "to"),
        (TEXT | {"to": "not a number"}, 131009, "to"),
        (TEXT | {"to": "++--"}, 131009, "to"),
        (TEXT | {"to": "٤٤٧٧٠٠"}, 131009, "to"),
        (TEXT | {"to": "+447700900123\n"}, 131009, "to"),
        (TEXT | {"to": BSUID}, 131009, "recipient"),
        (without("to") | {"recipient": "447700900123"}, 131009, "recipient"),
        (without("to") | {"recipient": ["x"]}, 131009, "recipient"),
        (TEXT | {"recipient_type": "Group"}, 131009, "recipient_type"),
        (TEXT | {"recipient_type": {}}, 131009, "recipient_type"),
        (without("text"), 131008, "text"),
        (without("text", "type"), 131008, "text"),
        (TEXT | {"type": "image"}, 131008, "image"),
        (TEXT | {"type": "Odd Type"}, 131008, "unknown"),
        (TEXT | {"type": ""}, 131008, "unknown"),
        (TEXT | {"type": 5}, 131009, "type"),
        (TEXT | {"text": "Hi"}, 131009, "text"),
        (TEXT | {"type": "contacts", "contacts": {}}, 131009, "contacts"),
        (TEXT | {"type": "to"}, 131009, "to"),
        (TEXT | {"category": 1}, 131009, "category"),
        (TEXT | {"biz_opaque_callback_data": {}}, 131009, "biz_opaque_callback_data"),
        ({"status": "read"}, 131008, "message_id"),
        ({"status": "read", "message_id": 7}, 131009, "message_id"),
        ({"status": "played", "message_id": "wamid.A"}, 131009, "status"),
        ([], 100, "body"),
        (None, 100, "body"),
    ],
)
def test_what_is_malformed_is_named(body: Any, code: int, field: str) -> None:
    answer = parse_cloud(as_bytes(body))
    assert isinstance(answer, Malformed)
    assert (answer.code, answer.field) == (code, field)
    assert "447700900123" not in answer.details


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b'{"to":NaN}',
        b'{"to":"\xed\xa0\x80"}',
        b"[" * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b'{"a":' + b"1" * 5_000 + b"}",
    ],
)
def test_what_is_not_json_or_nobody_could_pass_on_is_refused(body: bytes) -> None:
    for answer, code in ((parse_cloud(body), 100), (parse_onprem(body), 1025)):
        assert isinstance(answer, Malformed)
        assert answer.code == code


def test_odd_but_legal_json_passes_unchanged() -> None:
    odd = b'{"to":"1","to":"447700900123","text":{"body":"\\ud800\\u0000"},"n":123456789012345678901}'
    request = parse_cloud(b"\xef\xbb\xbf" + odd)
    assert isinstance(request, SendRequest)
    assert request.to == "447700900123"
    assert request.body["text"] == {"body": "\ud800\0"}
    assert upstream_body(request, "ours")["n"] == 123456789012345678901


texts = st.sampled_from(["", "text", "group", "hsm", "44", BSUID, "read", "\ud800", "\0"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("to", "recipient", "recipient_type", "type", "text", "template", "hsm", "category", "status")


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_no_body_is_too_odd_to_be_judged(body: dict[str, Any]) -> None:
    for answer in (parse_cloud(as_bytes(body)), parse_onprem(as_bytes(body))):
        assert isinstance(answer, SendRequest | Read | Malformed)
        if isinstance(answer, SendRequest):
            assert sum(whom is not None for whom in (answer.to, answer.recipient, answer.group_id)) == 1
            assert upstream_body(answer, "ours")["biz_opaque_callback_data"] == "ours"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is not JSON: it is empty."),
        (b" \n", "The body is not JSON: it is empty."),
        (b'{"to":\n  "447700900123",}', "The body is not JSON: Expecting property name enclosed in double"),
        (b"to=447700900123", "The body is not JSON: Expecting value (line 1, column 1)."),
        ('{"to":"\u00e9"}'.encode("latin-1"), "The body is not JSON: it is not UTF-8 (byte 8)."),
        (b'{"a":NaN}', "The body is not JSON."),
    ],
)
def test_what_is_not_json_is_told_where_without_a_word_of_it(body: bytes, said: str) -> None:
    for answer in (parse_cloud(body), parse_onprem(body)):
        assert isinstance(answer, Malformed)
        assert answer.details.startswith(said)
        assert "4477" not in answer.details


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"type": "text", "text": {}}, "free_form"),
        ({"text": {}}, "free_form"),
        ({"type": "text", "text": {}, "category": "utility"}, "direct_send"),
        ({"type": "interactive", "interactive": {}, "category": "authentication"}, "direct_send"),
        ({"type": "text", "text": {}, "category": "service"}, "free_form"),
        ({"type": "text", "text": {}, "category": "UTILITY"}, "free_form"),
        ({"type": "image", "image": {}, "category": "utility"}, "free_form"),
        ({"type": "contacts", "contacts": []}, "free_form"),
        ({"type": "hologram", "hologram": {}}, "free_form"),
        ({"type": "Template", "Template": {}}, "free_form"),
        ({"type": "template", "template": {}}, "template"),
        ({"type": "template", "template": {}, "category": "utility"}, "template"),
    ],
)
def test_what_is_not_named_by_the_table_is_free_form(asked: dict[str, Any], kind: str) -> None:
    assert cloud({"to": "44"} | asked).kind == kind


def test_a_body_that_is_a_receipt_and_a_send_is_judged_as_a_send() -> None:
    assert cloud(TEXT | {"status": "read", "message_id": "wamid.A"}).kind == "free_form"


def test_public_words_are_plain_words() -> None:
    odd = cloud({"to": "44", "type": "+447700900123", "+447700900123": {}, "category": "Call 447700900123"})
    assert (odd.type, odd.category) == ("unknown", "unknown")
    named = cloud({"to": "44", "type": "template", "template": TEMPLATE})
    assert (named.template, named.language) == ("order_update", "en_GB")
    unnamed = {"name": "Order for Ann", "language": "en"}
    odd = cloud({"to": "44", "type": "template", "template": unnamed})
    assert (odd.template, odd.language) == (None, None)
    numbered = cloud({"to": "44", "type": "template", "template": TEMPLATE | {"name": "447700900123"}})
    assert numbered.template is None


def test_personal_data_is_not_in_a_request_s_repr() -> None:
    shown = repr(cloud(TEXT | {"biz_opaque_callback_data": "order-7"}))
    assert not any(secret in shown for secret in ("447700900123", "Hi", "order-7"))


def test_our_reference_takes_the_place_of_the_callers() -> None:
    request = cloud(TEXT | {"biz_opaque_callback_data": "gw:job:7f33", "new_field": [1]})
    assert request.callback_data == "gw:job:7f33"
    body = upstream_body(request, "ours")
    assert body == TEXT | {"biz_opaque_callback_data": "ours", "new_field": [1]}
    assert request.body["biz_opaque_callback_data"] == "gw:job:7f33"


def test_messaging_product_is_whatsapp_whatever_was_said() -> None:
    for body in (without("messaging_product"), TEXT | {"messaging_product": "fax"}):
        assert upstream_body(cloud(body), "ours")["messaging_product"] == "whatsapp"


@pytest.mark.parametrize("more", [{}, {"typing_indicator": {"type": "text"}}])
def test_a_read_receipt_is_passed_as_it_is(more: dict[str, Any]) -> None:
    receipt = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A"} | more
    assert parse_cloud(as_bytes(receipt)) == Read(receipt)


def test_a_legacy_text_takes_its_preview_with_it() -> None:
    request = onprem({"to": "447700900123", "preview_url": True, "ttl": 60, "text": {"body": "Hi"}})
    assert (request.face, request.kind, request.type) == ("on-premises", "free_form", "text")
    assert upstream_body(request, "ours") == {
        "messaging_product": "whatsapp",
        "to": "+447700900123",
        "text": {"body": "Hi", "preview_url": True},
        "biz_opaque_callback_data": "ours",
    }


def test_legacy_media_lose_their_provider_wherever_they_stand() -> None:
    image = {"link": "https://example.org/a.jpg", "provider": {"name": "store"}}
    assert onprem({"to": "44", "type": "image", "image": image}).body["image"] == {"link": image["link"]}
    header = {"type": "header", "parameters": [{"type": "image", "image": image}]}
    template = TEMPLATE | {"components": [header]}
    body = onprem({"to": "44", "type": "template", "template": template}).body
    assert body["template"]["components"][0]["parameters"] == [
        {"type": "image", "image": {"link": image["link"]}}
    ]


def test_legacy_media_lose_what_is_null() -> None:
    image = {"id": "1", "caption": None}
    assert onprem({"to": "44", "type": "image", "image": image}).body["image"] == {"id": "1"}


def test_a_legacy_template_loses_namespace_and_policy() -> None:
    language = {"policy": "deterministic", "code": "en_GB"}
    legacy = {"namespace": "8b1f", "name": "order_update", "language": language, "components": []}
    request = onprem({"to": "447700900123", "type": "template", "template": legacy})
    assert request.body["template"] == TEMPLATE | {"components": []}
    assert (request.kind, request.template, request.language) == ("template", "order_update", "en_GB")


def test_an_hsm_becomes_a_template() -> None:
    money = {"currency_code": "EUR", "amount_1000": 1500}
    hsm = {
        "namespace": "8b1f",
        "element_name": "order_update",
        "language": {"policy": "deterministic", "code": "en_GB"},
        "localizable_params": [
            {"default": "A-1042"},
            {"default": "1.50 EUR", "currency": money},
            {"default": "Monday", "date_time": {"unix_epoch": {"timestamp": 1}}},
        ],
    }
    request = onprem({"to": "447700900123", "type": "hsm", "hsm": hsm})
    assert (request.kind, request.type) == ("template", "template")
    assert "hsm" not in request.body
    assert request.body["template"] == TEMPLATE | {
        "components": [
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "text": "A-1042"},
                    {
                        "type": "currency",
                        "currency": {"fallback_value": "1.50 EUR", "code": "EUR", "amount_1000": 1500},
                    },
                    {"type": "date_time", "date_time": {"fallback_value": "Monday"}},
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"type": "text", "text": {}}, 1008, "to"),
        ({"to": "44"}, 1008, "text"),
        ({"to": "44", "type": "hsm"}, 1008, "hsm"),
        ({"to": "44", "type": "hsm", "hsm": []}, 1009, "hsm"),
        ({"to": BSUID, "text": {}}, 1009, "recipient"),
        ({"status": "read", "message_id": "ABG"}, 1008, "to"),
        ([], 1025, "body"),
    ],
)
def test_what_is_malformed_is_named_in_the_legacy_dialect(body: Any, code: int, field: str) -> None:
    answer = parse_onprem(as_bytes(body))
    assert isinstance(answer, Malformed)
    assert (answer.code, answer.field) == (code, field)


HSM: dict[str, Any] = {"namespace": "8b1f", "element_name": "order_update", "language": {"code": "en_GB"}}


@pytest.mark.parametrize(
    ("hsm", "code", "field"),
    [
        ({"element_name": None}, 1008, "hsm.element_name"),
        ({"element_name": 7}, 1009, "hsm.element_name"),
        ({"language": None}, 1008, "hsm.language"),
        ({"language": "en"}, 1009, "hsm.language"),
        ({"language": {"policy": "fallback"}}, 1008, "hsm.language.code"),
        ({"language": {"code": ["en"]}}, 1009, "hsm.language.code"),
        ({"localizable_params": "A-1042"}, 1009, "hsm.localizable_params"),
        ({"localizable_params": ["A-1042"]}, 1009, "hsm.localizable_params[0]"),
        ({"localizable_params": [None]}, 1008, "hsm.localizable_params[0]"),
        ({"localizable_params": [{"default": "A"}, {}]}, 1008, "hsm.localizable_params[1].default"),
        ({"localizable_params": [{"default": 1042}]}, 1009, "hsm.localizable_params[0].default"),
        (
            {"localizable_params": [{"default": "1", "currency": "EUR"}]},
            1009,
            "hsm.localizable_params[0].currency",
        ),
        (
            {"localizable_params": [{"default": "1", "currency": {"amount_1000": 1}}]},
            1008,
            "hsm.localizable_params[0].currency.currency_code",
        ),
        (
            {"localizable_params": [{"default": "1", "currency": {"currency_code": "EUR"}}]},
            1008,
            "hsm.localizable_params[0].currency.amount_1000",
        ),
    ],
)
def test_what_is_malformed_in_an_hsm_is_named_as_its_caller_wrote_it(
    hsm: dict[str, Any], code: int, field: str
) -> None:
    answer = parse_onprem(as_bytes({"to": "447700900123", "type": "hsm", "hsm": HSM | hsm}))
    assert isinstance(answer, Malformed)
    assert (answer.code, answer.field) == (code, field)
    assert field in answer.details


@pytest.mark.parametrize("parameters", [{}, {"localizable_params": None}, {"localizable_params": []}])
def test_an_hsm_without_parameters_has_no_components(parameters: dict[str, Any]) -> None:
    request = onprem({"to": "44", "type": "hsm", "hsm": HSM | parameters})
    assert request.body["template"] == TEMPLATE


HSM_FIELDS = ("element_name", "language", "localizable_params", "default", "currency", "code")
hsm_values = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(HSM_FIELDS), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(HSM_FIELDS), hsm_values))
def test_no_hsm_is_too_odd_to_be_judged(hsm: dict[str, Any]) -> None:
    answer = parse_onprem(as_bytes({"to": "447700900123", "type": "hsm", "hsm": HSM | hsm}))
    match answer:
        case SendRequest(body=body):
            assert isinstance(body["template"]["name"], str)
            assert isinstance(body["template"]["language"]["code"], str)
        case Malformed(code=code, field=field):
            assert code in (1008, 1009)
            assert field.startswith("hsm")


def test_content_that_came_as_json_in_a_string_is_read() -> None:
    contacts = [{"name": {"formatted_name": "Bo"}}]
    asked = cloud(without("text") | {"type": "contacts", "contacts": json.dumps(contacts)})
    assert upstream_body(asked, "x")["contacts"] == contacts


@pytest.mark.parametrize("content", ["no JSON", '"text"', "[1]", "{" * 200, '{"a":' * 101 + "1" + "}" * 101])
def test_a_string_that_is_no_such_json_is_no_content(content: str) -> None:
    asked = parse_cloud(as_bytes(TEXT | {"text": content}))
    assert isinstance(asked, Malformed)
    assert (asked.code, asked.field) == (131009, "text")
