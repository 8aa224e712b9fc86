"""When again, what an answer means, where deliveries may go, and who wants what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.destinations import asked, schedule
from domain.destinations.asked import NoDestinationError
from domain.destinations.model import Filter
from domain.destinations.verdict import LONGEST_WAIT, Again, Delivered, Gone, Wait, judge
from domain.events import ConsentChanged, MessageReceived, StatusReceived, make
from gateway.deliveries.gate import EVIDENCE, PROBES, Gate
from gateway.deliveries.guard import Guard

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LINE = "106540352242922"
HOUR = 3600


def test_the_schedule_is_the_documented_one() -> None:
    delays = [schedule.delay(failures, 0) for failures in range(1, 10)]

    assert delays == [5, 30, 120, 600, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 12 * HOUR]


@given(st.integers(1, 30), st.floats(0, 1))
def test_jitter_only_makes_a_delay_longer(failures: int, chance: float) -> None:
    base = schedule.delay(failures, 0)

    assert base <= schedule.delay(failures, chance) <= base * 1.2


@pytest.mark.parametrize(
    ("elapsed", "failures"), [(0, 1), (4.9, 1), (5, 2), (34, 2), (35, 3), (155, 4), (11 * HOUR, 8)]
)
def test_the_schedule_goes_on_where_it_was_after_a_restart(elapsed: float, failures: int) -> None:
    assert schedule.failures_within(elapsed) == failures


@pytest.mark.parametrize(
    ("status", "retry_after", "verdict"),
    [
        (200, None, Delivered()),
        (202, None, Delivered()),
        (204, None, Delivered()),
        (301, None, Again()),
        (308, None, Again()),
        (400, None, Again()),
        (401, None, Again()),
        (410, None, Gone()),
        (429, None, Again()),
        (429, "7", Wait(7)),
        (503, "Wed, 25 Nov 2026 12:01:00 GMT", Wait(60)),
        (503, "Wed, 25 Nov 2020 12:01:00 GMT", Wait(0)),
        (503, "soon", Again()),
        (503, f"0 Jan 0 24:00:00 {'9' * 30} 24:00:00 ;", Again()),
        (503, "99999999999999999999", Wait(LONGEST_WAIT)),
        (500, "7", Again()),
        (None, None, Again()),
    ],
)
def test_what_an_answer_means(status: int | None, retry_after: str | None, verdict: Any) -> None:
    assert judge(status, retry_after, NOW) == verdict


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fec0::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_what_is_not_the_open_internet_is_refused(address: str) -> None:
    assert not Guard().allows(address, tls=True)


def test_the_open_internet_takes_tls_and_what_is_allowed_takes_both() -> None:
    guard = Guard((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))

    assert [guard.allows("93.184.216.34", tls=tls) for tls in (True, False)] == [True, False]
    assert guard.allows("2606:4700::1111", tls=True)
    assert guard.allows("10.9.9.9", tls=False)
    assert guard.allows("::ffff:10.9.9.9", tls=False)
    assert guard.allows("fd00::1", tls=False)
    assert not guard.allows("192.168.0.1", tls=True)


async def test_a_literal_address_in_any_spelling_is_refused() -> None:
    for host in ("127.1", "2130706433", "0x7f000001", "[::ffff:7f00:1]", "localhost"):
        assert await Guard().refusal(f"https://{host}/hook"), host


def message(**public: Any) -> MessageReceived:
    known: dict[str, Any] = {"message_key": "k", "type": "text", "source": "live", "at_used": 0}
    place: dict[str, Any] = {"recorded_at": NOW, "line": LINE, "key": UUID(int=2)}
    return make(MessageReceived, UUID(int=1), **place, **(known | public))


def status(**public: Any) -> StatusReceived:
    place: dict[str, Any] = {"recorded_at": NOW, "line": LINE, "key": UUID(int=2)}
    known = {"message_key": "k", "status": "sent", "source": "live", "at_used": 0}
    return make(StatusReceived, UUID(int=1), **place, **(known | public))


def test_a_filter_judges_only_what_an_event_has() -> None:
    texts = Filter(types=frozenset({"text"}))

    assert [texts.takes(one) for one in (message(), message(type="image"), status())] == [True, False, True]
    assert not Filter(lines=frozenset({"1"})).takes(message())
    assert not Filter(topics=frozenset({"StatusReceived"})).takes(message())
    assert not Filter(sources=frozenset({"live"})).takes(message(source="echo"))
    place: dict[str, Any] = {"recorded_at": NOW, "line": LINE, "key": UUID(int=2)}
    consent = make(
        ConsentChanged, UUID(int=1), **place, category="all", value="stop", source="api", at_used=0
    )
    assert Filter(sources=frozenset({"live"})).takes(consent)


GOOD = {"name": "crm", "url": "https://crm.example/hook", "format": "whatsapp"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "a b"}, "name"),
        ({"url": "crm.example"}, "url"),
        ({"url": "ftp://crm.example/"}, "url"),
        ({"url": "https://u:p@crm.example/"}, "url"),
        ({"url": "https://crm.example/#x"}, "url"),
        ({"url": "https://crm.example:99999/"}, "url"),
        ({"url": "https:///x"}, "url"),
        ({"url": "https://crm.example/a b"}, "url"),
        ({"url": 7}, "url"),
        ({"format": "xml"}, "format"),
        ({"filter": []}, "filter"),
        ({"filter": {"line": ["1"]}}, "line"),
        ({"filter": {"lines": ["2"]}}, "filter.lines"),
        ({"filter": {"topics": ["Nothing"]}}, "filter.topics"),
        ({"filter": {"topics": ["SendAccepted"]}}, "filter.topics"),
        ({"filter": {"types": ["a b"]}}, "filter.types"),
        ({"filter": {"sources": ["mail"]}}, "filter.sources"),
        ({"filter": {"sources": ["import"]}}, "filter.sources"),
        ({"filter": {"lines": LINE}}, "filter.lines"),
        ({"headers": {"Host": "x"}}, "headers.Host"),
        ({"headers": {"webhook-id": "x"}}, "headers.webhook-id"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A"),
        ({"headers": {"X A": "a"}}, "headers.X A"),
        ({"secret": "short"}, "secret"),
        ({"format": "events", "secret": "an-app-secret"}, "secret"),
        ({"format": "events", "secret": "whsec_c2hvcnQ="}, "secret"),
        ({"urls": []}, "urls"),
    ],
)
def test_what_is_asked_wrongly_is_named(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(NoDestinationError) as error:
        asked.asked(GOOD | wrong, lines=[LINE])

    assert error.value.field == field


def test_what_is_asked_rightly_is_taken_as_it_is() -> None:
    wanted = {"lines": [LINE], "topics": ["MessageReceived"], "types": ["text"], "sources": ["live"]}

    found = asked.asked(
        GOOD | {"filter": wanted, "headers": {"X-A": "b"}, "secret": "0123456789abcdef"}, lines=[LINE]
    )

    assert found.filter == Filter(*(frozenset(words) for words in wanted.values()))
    events = GOOD | {"format": "events", "filter": {"sources": ["import"]}}
    assert asked.asked(events, lines=[LINE]).filter.sources == {"import"}
    assert (found.headers, found.secret) == ({"X-A": "b"}, "0123456789abcdef")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def test_the_gate_shuts_when_enough_conversations_fail_and_opens_by_one_success() -> None:
    clock = Clock()
    gate = Gate(clock)
    for number in range(EVIDENCE - 1):
        assert not gate.failed(UUID(int=number), await gate.enter())
    assert not gate.failed(UUID(int=0), await gate.enter())
    turns = [await gate.enter() for _ in range(3)]
    assert gate.failed(UUID(int=99), turns[0])
    # What was on its way when it shut says nothing new.
    assert not gate.failed(UUID(int=98), turns[1])
    assert not gate.is_open
    clock.now += timedelta(seconds=4)
    gate.tick()
    assert gate.until is not None
    assert gate.until > clock.now

    clock.now += timedelta(seconds=3)
    gate.tick()
    turns = [await gate.enter() for _ in range(PROBES)]
    assert [gate.failed(UUID(int=number), turn) for number, turn in enumerate(turns)] == [False, False, True]
    clock.now += timedelta(seconds=40)
    gate.tick()
    turn = await gate.enter()
    assert not gate.failed(UUID(int=1), await gate.enter())
    assert turn
    assert gate.succeeded()
    assert gate.is_open
    assert gate.failing_since is None
