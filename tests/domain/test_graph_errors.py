from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.graph_errors import VERDICTS, Accepted, Rejected, Unsure, Verdict, cloud_to_onprem, judge

ANSWER = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+447700900123", "wa_id": "447700900123"}],
    "messages": [{"id": "wamid.HBgMNDQ3NzAwOTAwMTIz"}],
}


def answer(**changed: Any) -> bytes:
    return json.dumps(ANSWER | changed).encode()


def error(code: Any) -> bytes:
    return json.dumps({"error": {"message": "(#1) no", "type": "OAuthException", "code": code}}).encode()


def test_a_message_id_means_accepted() -> None:
    assert judge(200, answer()) == Accepted("wamid.HBgMNDQ3NzAwOTAwMTIz", wa_id="447700900123")


def test_a_send_to_a_bsuid_is_answered_with_user_ids() -> None:
    contact = {"input": "GB.77", "user_id": "GB.77", "parent_user_id": "GB.ENT.1"}
    judged = judge(200, answer(contacts=[contact]))
    assert isinstance(judged, Accepted)
    assert (judged.wa_id, judged.user_id, judged.parent_user_id) == (None, "GB.77", "GB.ENT.1")


@pytest.mark.parametrize("contacts", [[], None, {}, [None], [{"wa_id": 44}], "x"])
def test_odd_contacts_do_not_undo_an_acceptance(contacts: Any) -> None:
    judged = judge(200, answer(contacts=contacts))
    assert isinstance(judged, Accepted)
    assert judged.wa_id is None


@pytest.mark.parametrize(
    ("http_status", "code", "expected"),
    [
        (400, 130429, Rejected(130429, safe=True)),
        (429, 130429, Rejected(130429, safe=True)),
        (400, 131056, Rejected(131056, safe=True)),
        (400, 131047, Rejected(131047, safe=False)),
        (404, 132001, Rejected(132001, safe=False)),
        (401, 190, Rejected(190, safe=False)),
        (401, 0, Rejected(0, safe=False)),
        (403, 210, Rejected(210, safe=False)),
        (500, 3, Rejected(3, safe=False)),
        (500, 131045, Rejected(131045, safe=False)),
        (500, 131000, Unsure(131000, "unsafe_code")),
        (400, 131000, Unsure(131000, "unsafe_code")),
        (400, 1, Unsure(1, "unsafe_code")),
        (503, 2, Unsure(2, "unsafe_code")),
        (400, 999_999, Rejected(999_999, safe=False)),
        (500, 999_999, Unsure(999_999, "unlisted_code")),
        (200, 999_999, Unsure(999_999, "unlisted_code")),
    ],
)
def test_an_error_is_judged_by_its_code(http_status: int, code: int, expected: Rejected | Unsure) -> None:
    assert judge(http_status, error(code)) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"messages":[]}',
        b'{"messages":[{"id":""}]}',
        b'{"messages":[{"id":7}]}',
        b'{"error":"no"}',
        b'{"error":{"code":"131047"}}',
        b'{"error":{"code":true}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("http_status", [200, 400, 429, 502])
def test_without_a_graph_answer_nobody_knows(http_status: int, body: bytes) -> None:
    assert judge(http_status, body) == Unsure(None, "no_graph_answer")


def test_a_message_id_with_another_status_than_200_is_no_acceptance() -> None:
    assert judge(500, answer()) == Unsure(None, "no_graph_answer")


@given(st.integers(100, 599), st.binary(max_size=64))
def test_no_answer_is_too_odd_to_be_judged(http_status: int, body: bytes) -> None:
    assert judge(http_status, body) is not None


def test_what_may_have_been_sent_is_never_marked_safe() -> None:
    unsafe = {code for code, verdict in VERDICTS.items() if verdict is Verdict.UNSAFE}
    assert unsafe == {1, 2, 131000, 131016, 131057, 133004}


LEGACY = {
    100: 1009,
    130429: 1015,
    131008: 1008,
    131009: 1009,
    131026: 1013,
    131031: 1031,
    131042: 402,
    131047: 470,
    131048: 471,
    131051: 501,
    131056: 1015,
    132000: 2000,
    132001: 2001,
    132005: 2005,
    132012: 2012,
    132015: 2061,
    132016: 2062,
    132018: 2006,
}


@pytest.mark.parametrize("code", sorted({*VERDICTS, *LEGACY, -1, 999_999}))
def test_a_legacy_client_gets_its_own_code_or_the_generic_one(code: int) -> None:
    assert cloud_to_onprem(code) == LEGACY.get(code, 1000)


@pytest.mark.parametrize("code", [0, 10, 190, 200, 131005])
def test_trouble_of_our_own_account_is_never_the_legacy_clients(code: int) -> None:
    assert cloud_to_onprem(code) == 1000
