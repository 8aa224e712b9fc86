"""The tests of every client: each thing it offers, as client, WhatsApp and log saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.capabilities import CALLS, CHANGES, SENDS, holds
from conformance.client import Client, Report
from conformance.receiving import ITEMS, TEN, Heard


@dataclass(frozen=True)
class Conversation:
    """What a client reported, what WhatsApp accepted, and what the log recorded."""

    client: Client
    url: str
    reports: Mapping[str, Report]
    accepted: Mapping[str, Mapping[str, Any]]
    """Body by message id."""
    sends: Mapping[str, tuple[str, ...]]
    """Topics of each accepted send by its message id."""
    refused: tuple[str, ...]
    """Reasons of the sends that were refused."""
    notices: int
    """Changes of the account that ended well."""
    heard: Heard | None
    """What it received, by a destination of the gateway's."""


def test_offer(conversation: Conversation, offer: str) -> None:
    report = conversation.reports.get(offer)
    assert report is not None, f"{conversation.client.name} did not try {offer!r}"
    assert "raised" not in report, report
    if offer in CALLS:
        assert CALLS[offer](report["value"]), report
        return
    accepted = conversation.accepted.get(report["value"])
    assert accepted is not None, f"WhatsApp did not accept it: {report}"
    assert holds(SENDS[offer], accepted), accepted
    assert conversation.sends[report["value"]] == ("SendRequested", "SendDispatched", "SendAccepted")


def test_refusal(conversation: Conversation, refusal: str) -> None:
    report = conversation.reports.get(refusal)
    assert report is not None, f"{conversation.client.name} did not try {refusal!r}"
    assert holds(conversation.client.refusals[refusal], report), report
    if refusal == "refused":
        assert conversation.refused == ("never_opened",)


def test_closed(conversation: Conversation, closed: str) -> None:
    report = conversation.reports.get(closed)
    assert report is not None, f"{conversation.client.name} did not try {closed!r}"
    assert holds(conversation.client.closed_report, report), report


def test_receive(conversation: Conversation, receive: str) -> None:
    heard = conversation.heard
    assert heard is not None
    if receive == "verification":
        assert heard.challenge == (200, "1158201444")
    elif receive == "wrong signature":
        assert heard.forged in (401, 403)
    elif receive == "batch of ten":
        assert [one["id"] for one in heard.seen if one["id"] in TEN] == list(TEN)
    else:
        assert ITEMS[receive].seen() in heard.seen


def test_nothing_beside(conversation: Conversation) -> None:
    client, reports = conversation.client, conversation.reports
    assert len({*client.cells()}) == len(client.cells())
    assert reports.keys() == {*client.offers, *client.refusals, *client.closed}
    answered = [reports[case].get("value", case) for case in client.offers if case in SENDS]
    if "broadcast" in reports:
        answered += reports["broadcast"]["value"]
    assert sorted(answered) == sorted(conversation.accepted)
    assert conversation.notices >= len(CHANGES & reports.keys())
