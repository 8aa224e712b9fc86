"""A send in plain words: every event, reason, cause and code says something, and nothing personal."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args
from uuid import UUID

import pytest
from made_events import NOW, made, send_failed, status

from domain import reasons
from domain.event_words import told
from domain.events import (
    TOPICS,
    Event,
    Recorded,
    SendAccepted,
    SendDispatched,
    SendFailed,
    SendRefused,
    SendRequested,
    SendSettled,
    SendUnknown,
    StatusReceived,
)
from domain.explain import Explanation, explain
from domain.graph_errors import VERDICTS, title_of
from domain.policy import Reason

SEND = str(UUID(int=7))
WINDOW = {"open_until": NOW + 60, "opened_by": "key-of-opener", "as_of": 41}
PERSONAL = "447700900123"
LEFT = {"send_id": SEND, "attempt": 1}
DONE = LEFT | {"dispatched_at": NOW}


def decided(cls: type[Any], reason: str, **more: Any) -> Any:
    decision = {
        "allowed": cls is SendRequested,
        "mode": "enforce",
        "reason": reason,
        "policy_version": 1,
        "window": WINDOW,
        "consent": None,
    }
    return made(
        cls,
        send_id=SEND,
        caller="shop",
        face="cloud",
        kind="free_form",
        type="text",
        decision=decision | more,
    )


def explained(*events: Event) -> Explanation:
    return explain([Recorded(position, event) for position, event in enumerate(events, 1)])


REQUESTED = decided(SendRequested, "window_open")
DISPATCHED = made(SendDispatched, **LEFT)
ACCEPTED = made(SendAccepted, **DONE, message_key="o1", http_status=200)
UNKNOWN = made(SendUnknown, **DONE, cause="ServerDisconnectedError")


def sample(cls: type[Event]) -> Event:
    """An event of a class with something in each field, and something personal where that is sealed."""
    given: dict[str, Any] = {}
    for field in fields(cls):
        if "int" in str(field.type):
            given[field.name] = NOW
        elif "bool" in str(field.type):
            given[field.name] = True
        elif "list" in str(field.type):
            given[field.name] = ["one"]
        elif "str" in str(field.type):
            given[field.name] = "word"
    rim = ("originator_id", "originator_version", "timestamp", "line", "key", "sealed")
    for name in (*rim, "pricing", "conversation", "decision"):
        given.pop(name, None)
    if "decision" in {field.name for field in fields(cls)}:
        given["decision"] = {"allowed": True, "reason": "window_open", "window": WINDOW, "policy_version": 1}
    return made(cls, sealed=PERSONAL, **given)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_event_says_something_in_whole_sentences(topic: str) -> None:
    text = told(sample(TOPICS[topic]))
    assert text[0].isupper()
    assert text.endswith(".")
    assert "None" not in text
    assert ".." not in text
    assert PERSONAL not in text


@pytest.mark.parametrize("reason", [*get_args(Reason), *reasons.WORDS])
@pytest.mark.parametrize("cls", [SendRequested, SendRefused])
def test_every_reason_of_the_policy_has_words_of_its_own(cls: type[Event], reason: str) -> None:
    assert reason in reasons.WORDS
    [step] = explained(decided(cls, reason)).steps
    assert reasons.why(decided(cls, reason).decision, "free_form") in step.text
    assert "{" not in step.text
    assert reason not in step.text


def test_a_reason_that_has_no_words_is_told_by_its_name() -> None:
    told = explained(decided(SendRefused, "moon_too_full"))
    assert "the policy's reason is: moon too full" in told.steps[0].text
    assert told.summary.startswith("Refused by the gateway: the policy's reason is: moon too full.")


def test_a_reason_may_hold_any_character() -> None:
    assert "(0)" in explained(decided(SendRefused, "{0}")).summary


@pytest.mark.parametrize("code", [*VERDICTS, 999_999, None])
def test_every_code_is_named_and_says_what_a_new_send_would_do(code: int | None) -> None:
    title = "" if code is None else f"error {code}, {title_of(code)}"
    for events in (
        (REQUESTED, DISPATCHED, send_failed(NOW, code, cause="rejected", safe=True)),
        (REQUESTED, DISPATCHED, ACCEPTED, status(NOW, "failed", code=code)),
    ):
        explanation = explained(*events)
        assert explanation.state == "failed"
        for text in (explanation.summary, explanation.steps[-1].text):
            assert title in text
            assert "send" in text


def test_a_refusal_says_what_it_saw_and_what_helps() -> None:
    told = explained(decided(SendRefused, "window_closed"))
    assert (told.state, told.steps[0].position, told.steps[0].topic) == ("refused", 1, "SendRefused")
    assert told.steps[0].at == NOW
    text = told.steps[0].text
    for part in ("The API key shop asked", "version 1", "position 41", "key-of-opener", "It was refused"):
        assert part in text
    assert reasons.moment(NOW + 60) in text
    assert "a template" in told.summary


def test_consent_is_told_as_it_was_seen() -> None:
    consent = {"state": "stop", "source": "keyword", "at": NOW, "key": "k"}
    text = explained(decided(SendRefused, "opted_out", consent=consent)).steps[0].text
    assert f"the person's consent (state stop, source keyword, at {reasons.moment(NOW)})" in text


def test_an_observed_send_would_have_been_refused() -> None:
    [step] = explained(decided(SendRequested, "window_closed", observed=True)).steps
    assert "It would have been refused, because the window closed at" in step.text
    assert "only observes" in step.text


@pytest.mark.parametrize(
    "cause", ["unsafe_code", "unlisted_code", "no_graph_answer", "no outcome was recorded", "TimeoutError"]
)
def test_an_unknown_send_says_why_and_what_to_do(cause: str) -> None:
    told = explained(REQUESTED, DISPATCHED, made(SendUnknown, **DONE, cause=cause))
    assert told.state == "unknown"
    assert "Nobody knows whether WhatsApp took attempt 1" in told.steps[-1].text
    assert "_" not in told.steps[-1].text
    assert "Do not send it again." in told.summary
    assert f"POST /api/messages/{SEND}/settle" in told.summary


@pytest.mark.parametrize(
    ("settled_as", "state", "summary"),
    [
        ("accepted", "accepted", "WhatsApp accepted it"),
        ("failed", "failed", "It was settled as failed"),
        ("resend", "requested", "It is to be sent again"),
    ],
)
@pytest.mark.parametrize("by", ["status", "answer", "operator", "policy"])
def test_a_settlement_says_as_what_and_by_whom(settled_as: str, state: str, summary: str, by: str) -> None:
    told = explained(REQUESTED, DISPATCHED, UNKNOWN, made(SendSettled, **LEFT, settled_as=settled_as, by=by))
    assert told.state == state
    assert told.summary.startswith(summary)
    assert "Attempt 1 became known by " in told.steps[-1].text


def test_a_send_without_an_outcome_may_have_been_sent() -> None:
    assert explained(REQUESTED).summary == "It was allowed and has not left yet."
    assert "may have been sent" in explained(REQUESTED, DISPATCHED).summary
    again = made(SendDispatched, **LEFT | {"attempt": 2})
    settled = made(SendSettled, **LEFT, settled_as="resend", by="operator")
    assert "may have been sent" in explained(REQUESTED, DISPATCHED, UNKNOWN, settled, again).summary
    assert "ordered by" not in told(again)
    assert "as ordered by ops" in told(made(SendDispatched, **LEFT | {"attempt": 2, "caller": "ops"}))


def test_what_never_left_may_be_tried_again() -> None:
    failed = made(SendFailed, **DONE, safe=True, cause="ClientConnectorError")
    assert "never left" in explained(REQUESTED, DISPATCHED, failed).summary
    late = made(SendFailed, **DONE, safe=True, cause="not attempted")
    assert "was not posted" in explained(REQUESTED, DISPATCHED, late).summary


@pytest.mark.parametrize("word", ["sent", "delivered", "read", "played"])
def test_a_status_says_how_far_it_came_and_what_it_costs(word: str) -> None:
    pricing = {"category": "utility", "model": "PMP", "type": "regular", "billable": False}
    told = explained(REQUESTED, DISPATCHED, ACCEPTED, status(NOW + 9, word, pricing=pricing))
    assert (told.state, told.steps[-1].at) == (word, NOW + 9)
    assert "category utility, type regular, model PMP, not billable" in told.steps[-1].text


def test_a_failure_that_was_delivered_is_contradicted() -> None:
    told = explained(REQUESTED, DISPATCHED, ACCEPTED, status(NOW, "failed", code=131026), status(NOW + 1))
    assert told.state == "delivered"
    assert "reported it as failed as well" in told.summary


def test_a_status_that_is_not_known_or_a_copy_says_so() -> None:
    text = told(made(StatusReceived, message_key="o", status="glimpsed", source="standby", at_used=NOW))
    assert "the status glimpsed, which changes nothing" in text
    assert "(from a copy: standby)" in text
