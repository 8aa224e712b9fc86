"""What a destination becomes when it is changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.destinations import asked, changing
from domain.destinations.model import Destination, Secret

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GIVEN: dict[str, Any] = {
    "name": "crm",
    "url": "https://crm.example/",
    "format": "whatsapp",
    "secret": "the-first",
}


def destination(**given: Any) -> Destination:
    wanted = asked.asked(GIVEN | given, lines=())
    return changing.new(wanted, destination=UUID(int=1), secret=wanted.secret or "", now=NOW)


def test_a_secret_that_was_replaced_signs_for_a_day() -> None:
    one = changing.with_secret(destination(), "the-second", now=NOW)
    end = NOW + timedelta(days=1)

    assert one.signs_with(end - timedelta(seconds=1)) == ("the-second", "the-first")
    assert one.signs_with(end) == ("the-second",)


def test_another_change_gives_a_secret_no_longer_life() -> None:
    later = NOW + timedelta(hours=20)
    one = changing.with_secret(destination(), "the-second", now=NOW)

    one = changing.with_secret(one, "the-third", now=later)

    assert [(old.value, old.until) for old in one.secrets] == [
        ("the-third", None),
        ("the-second", later + timedelta(hours=24)),
        ("the-first", NOW + timedelta(hours=24)),
    ]


def test_a_secret_that_comes_back_stands_there_once() -> None:
    one = changing.with_secret(destination(), "the-second", now=NOW)

    assert changing.with_secret(one, "the-first", now=NOW).signs_with(NOW) == ("the-first", "the-second")


def test_a_few_secrets_are_kept_the_newest() -> None:
    one = destination()
    for number in range(8):
        one = changing.with_secret(one, f"secret-{number}", now=NOW)

    assert one.signs_with(NOW) == ("secret-7", "secret-6", "secret-5", "secret-4", "secret-3")


def test_settings_that_are_the_same_change_nothing() -> None:
    one = destination()

    assert changing.as_set(one, asked.asked(GIVEN, lines=()), now=NOW) == one


@pytest.mark.parametrize("state", ["paused", "disabled"])
def test_settings_change_all_but_name_format_and_state(state: Any) -> None:
    one = replace(destination(), state=state, reason="gone")
    wanted = GIVEN | {"url": "https://other.example/", "headers": {"A": "b"}, "secret": "the-second"}

    changed = changing.as_set(one, asked.asked(wanted, lines=()), now=NOW)

    assert (changed.state, changed.reason) == (state, "gone")
    assert (changed.url, changed.headers) == ("https://other.example/", {"A": "b"})
    assert changed.secrets[0] == Secret("the-second")


def test_what_is_not_given_remains() -> None:
    one = destination(headers={"A": "b"}, filter={"types": ["text"]})

    changed = changing.changed(one, {"url": "https://other.example/"}, lines=())

    assert changed == replace(one, url="https://other.example/")
