"""API keys: how they are written, what they may do, and how a request brings one."""

from __future__ import annotations

import base64
import hashlib

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import Keys, Scope, parse_key, presented

HASH = hashlib.sha256(b"secret").hexdigest()


def test_a_key_has_a_name_scopes_and_reaches_all_lines() -> None:
    key = parse_key("shop:secret:send+read")
    assert (key.name, key.scopes) == ("shop", {Scope.SEND, Scope.READ})
    assert [key.may(scope) for scope in (Scope.SEND, Scope.READ, Scope.CONTENT, Scope.ADMIN)] == [
        True,
        True,
        False,
        False,
    ]
    assert key.reaches("1")
    assert key.reaches("2")


def test_a_key_may_be_bound_to_lines() -> None:
    key = parse_key("shop:secret:send@1+2")
    assert [key.reaches(line) for line in ("1", "2", "3", "12", "")] == [True, True, False, False, False]


@pytest.mark.parametrize("hexadecimal", [HASH, HASH.upper()])
def test_a_hash_stands_for_its_key(hexadecimal: str) -> None:
    key = parse_key(f"shop:sha256:{hexadecimal}:send")
    assert key == parse_key("shop:secret:send")
    assert Keys([key]).find("secret") == key
    assert Keys([key]).find(hexadecimal) is None


def test_a_key_may_contain_colons() -> None:
    assert Keys([parse_key("shop:a:b:send")]).find("a:b") is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "topsecret",
        "shop:topsecret",
        "shop::send",
        ":topsecret:send",
        "sh op:topsecret:send",
        "shop:topsecret:",
        "shop:topsecret:sent",
        "shop:topsecret:send+",
        "shop:topsecret:Send",
        "shop:topsecret:send@",
        "shop:topsecret:send@1+",
        "shop:topsecret:send@line",
        "shop:sha256:topsecret:send",
        "shop:sha256::send",
        "shop:sha256:send",
        f"shop:sha256:{HASH}0:send",
    ],
)
def test_what_is_no_key_is_refused_without_repeating_the_secret(text: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        parse_key(text)
    assert "topsecret" not in str(refused.value)


@given(st.text(min_size=1), st.text(min_size=1))
def test_only_the_same_secret_finds_the_key(secret: str, other: str) -> None:
    key = parse_key(f"shop:{hashed(secret)}:read")
    assert Keys([key]).find(secret) == key
    assert (Keys([key]).find(other) is None) == (other != secret)


def hashed(secret: str) -> str:
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "query", "secret"),
    [
        ("Bearer k", "", "k"),
        ("bearer  k ", "", "k"),
        (basic("user:k"), "", "k"),
        (basic("user:k:l"), "", "k:l"),
        (None, "?access_token=k", "k"),
        (None, "", None),
        ("Basic ???", "?access_token=k", None),
        (basic("user"), "", None),
        ("Bearer header", "?access_token=query", "header"),
    ],
)
def test_a_request_brings_its_key_in_one_of_three_places(
    header: str | None, query: str, secret: str | None
) -> None:
    headers = {"Authorization": header} if header else {}
    assert presented(make_mocked_request("GET", f"/{query}", headers=headers)) == secret
