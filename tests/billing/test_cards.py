from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

import pytest
from charged import HEAD, card, tiered
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing import markets
from domain.billing.cards import Wrong, read, shipped
from domain.billing.markets import market_of
from domain.billing.rates import Card, Rates

RIGHT = "India,utility,,0.0014,USD,2026-01-01,2026-04-01"


def problems(*lines: str, currency: str = "USD", beside: tuple[str, ...] = ()) -> list[str]:
    others = [card(*beside)] if beside else []
    found = read("\n".join((HEAD, *lines)), currency=currency, beside=others)
    return found.problems if isinstance(found, Wrong) else []


def test_a_right_card_has_an_id_of_its_content() -> None:
    other = "India,marketing,,0.0118,USD,2026-01-01,2026-04-01"

    assert problems(RIGHT) == []
    assert card(RIGHT, other).card_id == card("# a comment", other, RIGHT).card_id != card(RIGHT).card_id


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (RIGHT.replace("India", "Atlantis"), "market 'Atlantis' is none of WhatsApp's"),
        (RIGHT.replace("India", "india"), "market 'india' is none of WhatsApp's; 'India' is"),
        (RIGHT.replace("India", "Rest of Asia-Pacific"), "; 'Rest of Asia Pacific' is"),
        (RIGHT.replace("utility", "postage"), "category 'postage'"),
        (RIGHT.replace("USD", "XXX"), "currency 'XXX' is not the account's, USD"),
        (RIGHT.replace("0.0014", "-1"), "rate '-1'"),
        (RIGHT.replace("0.0014", "NaN"), "rate 'NaN'"),
        (RIGHT.replace("0.0014", "1e5"), "rate '1e5'"),
        (RIGHT.replace("0.0014", "1_0.5"), "rate '1_0.5'"),
        (RIGHT.replace("0.0014", "\u0663.\u0665"), "rate '\u0663"),
        (RIGHT.replace("0.0014", "9" * 30), "rate '999"),
        (RIGHT.replace("0.0014", "-0"), "rate '-0'"),
        (RIGHT.replace("2026-01-01", "20260101"), "valid_from '20260101'"),
        (RIGHT.replace("2026-01-01", "2026-W01-4"), "valid_from '2026-W01-4'"),
        (RIGHT.replace(",,", f",1:{'9' * 5000},"), "tier '1:999"),
        (RIGHT.replace(",,", ",5:2,"), "tier '5:2'"),
        (RIGHT.replace("2026-01-01", "1.1.2026"), "valid_from '1.1.2026'"),
        (RIGHT.replace("2026-04-01", "2025-04-01"), "valid_to is exclusive"),
        ("India,utility", "has 2 columns, not 7"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(line: str, named: str) -> None:
    [problem] = problems(RIGHT, "# a comment", line)

    assert problem.startswith("line 4: ")
    assert named in problem


def test_every_problem_of_a_file_is_named_at_once() -> None:
    found = problems("Atlantis,postage,,x,USD,,", RIGHT, RIGHT.replace("USD", "EUR"))

    assert [problem[:6] for problem in found] == ["line 2"] * 4 + ["line 4"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((RIGHT, RIGHT), "line 3: the tier overlaps that of line 2"),
        ((RIGHT, RIGHT.replace("01-01", "03-01")), "line 3: overlaps line 2"),
        (
            (RIGHT, RIGHT.replace("2026-01-01,2026-04-01", "2026-05-01,")),
            "line 3: a gap: the rate of line 2 ends",
        ),
        ((RIGHT.replace(",,", ",1:9,"),), "line 2: no tier follows"),
        ((RIGHT.replace(",,", ",2:MAX,"),), "line 2: the first tier begins with 2"),
        (
            (RIGHT.replace(",,", ",1:9,"), RIGHT.replace(",,", ",11:MAX,")),
            "line 3: a gap: the tier of line 2",
        ),
        ((RIGHT.replace(",,", ",1:9,"), RIGHT.replace(",,", ",9:MAX,")), "line 3: the tier overlaps"),
        ((RIGHT, RIGHT.replace("2026-04-01", "")), "line 3: overlaps line 2"),
        ((), "line 1: the file holds no rates"),
        (('"India',), "line 2: is no CSV"),
    ],
)
def test_overlaps_and_gaps_are_named_by_line(lines: tuple[str, ...], problem: str) -> None:
    assert problems(*lines)[0].startswith(problem)


def test_a_card_is_read_in_whatever_order_its_columns_stand() -> None:
    lines = ("# ours", "Rate,Market,category,currency,tier,valid_to,valid_from")
    text = "\r\n".join((*lines, "0.0014,India,utility,USD,,2026-04-01,2026-01-01", ""))
    found = read(text)

    assert isinstance(found, Card)
    assert found.card_id == card(RIGHT).card_id


words = ("India", "utility", "", "1:2", "3:MAX", "0.1", "USD", "2026-01-01", "2026-04-01")
cells = st.sampled_from(words) | st.text(max_size=6)
lines = st.lists(cells, min_size=6, max_size=8).map(",".join)


@settings(max_examples=examples(200), deadline=None)
@given(text=st.text() | st.lists(lines, max_size=5).map(lambda found: "\n".join((HEAD, *found))))
def test_whatever_a_file_holds_is_a_card_or_problems_each_with_its_line(text: str) -> None:
    found = read(text)

    if isinstance(found, Wrong):
        assert found.problems
        assert all(re.match(r"line [0-9]+: ", problem) for problem in found.problems)
    else:
        assert read(found.text) == found


@pytest.mark.parametrize("text", ["", "market;category\n", "# nothing\n\nmarket,category\n"])
def test_a_file_without_the_header_is_refused(text: str) -> None:
    found = read(text)

    assert isinstance(found, Wrong)
    assert "must be the header market,category,tier,rate,currency,valid_from,valid_to" in found.problems[0]


def test_what_follows_an_open_rate_ends_it_for_good() -> None:
    rates = Rates("USD", [card("India,utility,,0.3,USD,2026-01-01,"), card(RIGHT.replace("01-01", "02-01"))])

    days = [date(2026, month, 1) for month in (1, 2, 4)]

    found = [rates.find("India", "utility", day, 1) for day in days]
    assert [one and one.rate.rate for one in found] == [Decimal("0.3"), Decimal("0.0014"), None]


def test_a_card_must_not_overlap_another_one_but_may_follow_an_open_one() -> None:
    other = "India,utility,,0.002,USD,2026-01-01,2026-12-01"
    later = "India,utility,,0.003,USD,2026-07-01,"

    assert problems(later, beside=(other,))[0].startswith("line 2: overlaps card ")
    assert problems(later, beside=(other.replace("2026-12-01", ""),)) == []
    assert problems(RIGHT.replace("India", "Italy"), beside=(other,)) == []


def test_a_rate_is_found_by_day_and_tier_and_an_imported_one_first() -> None:
    own = card(*tiered("India", "utility", "0.3", "0.2", "0.1"))
    newer = card("India,utility,,0.5,USD,2026-02-01,")
    rates = Rates("USD", [own, newer], [card(RIGHT)])

    def found(day: date, rank: int, category: str = "utility") -> Decimal | None:
        one = rates.find("India", category, day, rank)
        return one.rate.rate if one else None

    january = date(2026, 1, 31)
    assert [found(january, rank) for rank in (1, 2, 3, 4, 5, 500)] == [
        Decimal(rate) for rate in ("0.3", "0.3", "0.2", "0.2", "0.1", "0.1")
    ]
    assert found(date(2026, 2, 1), 9) == Decimal("0.5")
    assert found(january, 1, "marketing") is None
    assert Rates("EUR", [own]).find("India", "utility", january, 1) is None


def test_the_shipped_list_prices_end_with_march_2026() -> None:
    rates = Rates("USD", (), shipped())
    last = rates.find("United Kingdom", "marketing", date(2026, 3, 31), 1)

    assert last is not None
    assert last.rate.rate == Decimal("0.0529")
    assert rates.find("United Kingdom", "marketing", date(2026, 4, 1), 1) is None
    in_force = {market for _, market in ((r.category, r.market) for c in shipped() for r in c.rates)}
    assert in_force < markets.names()


@pytest.mark.parametrize(
    ("prefix", "day", "market"),
    [
        ("44", "2026-11-01", "United Kingdom"),
        ("1415", "2026-11-01", "North America"),
        ("1", "2026-11-01", "North America"),
        ("1809", "2026-11-01", "Rest of Latin America"),
        ("1868", "2026-11-01", "Other"),
        ("7495", "2026-11-01", "Russia"),
        ("7701", "2026-09-30", "Other"),
        ("7701", "2026-10-01", "Kazakhstan"),
        ("380", "2026-09-30", "Rest of Central & Eastern Europe"),
        ("380", "2026-10-01", "Ukraine"),
        ("852", "2026-06-30", "Rest of Asia Pacific"),
        ("852", "2026-07-01", "Hong Kong"),
        ("263", "2025-09-30", "Other"),
        ("263", "2025-10-01", "Rest of Africa"),
        ("82", "2026-11-01", "Other"),
        ("bsuid:DO", "2026-11-01", "Rest of Latin America"),
        ("bsuid:KR", "2026-11-01", "Other"),
        ("bsuid:CA", "2026-11-01", "North America"),
    ],
)
def test_a_market_goes_by_the_longest_prefix_and_the_day(prefix: str, day: str, market: str) -> None:
    found = market_of(prefix, date.fromisoformat(day))

    assert found is not None
    assert (found.name, found.estimated) == (market, prefix.startswith("bsuid"))


def test_without_a_prefix_there_is_no_market() -> None:
    assert market_of(None, date(2026, 11, 1)) is None
