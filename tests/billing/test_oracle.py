"""Random histories of every era, zone, order and repetition, against the slow counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import oracle
from charged import LINE, OTHER_LINE, card, rim, sent, status, tiered, units
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing.eras import eras
from domain.billing.pricing import Charge, price
from domain.billing.rates import Rates
from domain.events import Event, MessageReceived

UK, LATIN, UKRAINE, EAST = (
    "United Kingdom",
    "Rest of Latin America",
    "Ukraine",
    "Rest of Central & Eastern Europe",
)
TABLE = {
    (UK, "marketing"): ["0.0529"],
    (UK, "utility"): ["0.022", "0.020", "0.018"],
    (UK, "authentication"): ["0.023", "0.021", "0.019"],
    (UK, "authentication-international"): ["0.05", "0.04", "0.03"],
    (UK, "notification"): ["0.06", "0.05", "0.04"],
    (LATIN, "utility"): ["0.0113"],
    (LATIN, "service"): ["0.0099"],
    (UKRAINE, "utility"): ["0.031", "0.03", "0.029"],
    (EAST, "utility"): ["0.0212"],
}
RATES = Rates("USD", [card(*(line for key, rates in TABLE.items() for line in tiered(*key, *rates)))])
ERAS = [replace(era, free_service_messages=oracle.FREE if era.free_service_messages else 0) for era in eras()]
EDGES = ("2022-02-01", "2025-07-01", "2026-10-01", "2026-10-25", "2026-11-01", "2026-12-01", "2021-06-01")
HOUR = 3600
CATEGORIES = ("utility", "marketing", "marketing_lite", "group_utility", "service", "authentication")
CATEGORIES += ("authentication-international", "referral_conversion")

moments = st.builds(
    lambda edge, off: int(datetime.fromisoformat(edge).replace(tzinfo=UTC).timestamp()) + off,
    st.sampled_from(EDGES),
    st.integers(-30, 30).map(lambda hours: hours * HOUR // 2) | st.sampled_from([-1, 0, 1]),
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Kiritimati"])
prefixes = st.sampled_from(["44", "44", "44", "1809", "1242", "1415", "380", "bsuid:GB", None])
pricings = st.none() | st.fixed_dictionaries(
    {"category": st.sampled_from(CATEGORIES)},
    optional={
        "type": st.sampled_from(["regular", "free_customer_service", "free_entry_point"]),
        "billable": st.booleans(),
        "subtype": st.just("paid_exempt"),
    },
)
entries = st.sampled_from([None, None, None, {"origin": "referral_conversion"}, {"origin": "utility"}])


@st.composite
def lives(draw: st.DrawFn, number: int) -> list[Event]:
    """One message: asked for by us or by another system, and what WhatsApp tells of it."""
    key, at = str(UUID(int=number)), draw(moments)
    told: dict[str, Any] = {"line": draw(st.sampled_from([LINE, OTHER_LINE])), "market": draw(prefixes)}
    history: list[Event] = []
    match draw(st.sampled_from(["ours", "ours", "ours", "echo", "theirs"])):
        case "ours":
            category = draw(
                st.sampled_from([None, None, "utility", "utility", "authentication", "marketing"])
            )
            type_ = {"type": "reaction"} if draw(st.integers(0, 9)) == 0 else {}
            until = draw(st.none() | st.integers(-2, 2).map(lambda hours: at + hours * HOUR))
            history += sent(key, at, category=category, window_until=until, **told, **type_)
        case "echo":
            received = {
                "message_key": key,
                "type": draw(st.sampled_from(["text", "reaction"])),
                "source": "echo",
            }
            history.append(MessageReceived(**rim(at_used=at, line=told["line"], **received)))
        case _:
            pass
    participants = draw(st.sampled_from([[None], [None], [None, 1, 2, 3]]))
    for participant in participants:
        history += draw(_statuses(key, at, told, participant))
    return history


@st.composite
def _statuses(
    draw: st.DrawFn, key: str, at: int, told: dict[str, Any], participant: int | None
) -> list[Event]:
    told = told if draw(st.booleans()) else told | {"market": draw(prefixes)}
    who = None if participant is None else str(UUID(int=9000 + participant))
    words = st.sampled_from(["sent", "delivered", "read", "played", "failed"])
    # WhatsApp prices a message once: statuses that carry a price carry the same one.
    priced = draw(pricings)
    return [
        status(
            draw(words),
            at + draw(st.integers(0, 40)) * 60,
            key,
            participant_key=who,
            source=draw(st.sampled_from(["live", "live", "history", "standby"])),
            pricing=draw(st.sampled_from([None, priced])),
            conversation=draw(entries),
            **told,
        )
        for _ in range(draw(st.integers(1, 4)))
    ]


histories = (
    st.integers(1, 12)
    .flatmap(lambda count: st.tuples(*(lives(number) for number in range(1, count + 1))))
    .map(lambda found: [event for life in found for event in life])
)


def shown(charges: Sequence[Charge]) -> list[tuple[Any, ...]]:
    return [
        (
            str(charge.unit.message_key),
            str(charge.unit.participant),
            charge.day.isoformat(),
            charge.market.name if charge.market else None,
            charge.category,
            charge.free_because,
            charge.billable,
            charge.cost,
        )
        for charge in charges
    ]


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data(), history=histories, zone=zones)
def test_every_history_is_priced_as_the_slow_counter_does_in_any_order(
    data: st.DataObject, history: list[Event], zone: str
) -> None:
    expected = [
        tuple(
            one[name]
            for name in ("key", "participant", "day", "market", "category", "free", "charged", "cost")
        )
        for one in oracle.counted(history, zone, TABLE)
    ]
    again = data.draw(st.lists(st.sampled_from(history), max_size=5)) if history else []
    shuffled = data.draw(st.permutations([*history, *again]))

    charges = list(price(units(shuffled), eras=ERAS, rates=RATES, zone=ZoneInfo(zone)))

    assert shown(charges) == expected
