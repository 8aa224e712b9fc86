"""Whatever is signed is stored: each item becomes a fact, no callback is a 5xx, and no log line quotes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd import JSON, mutated
from prometheus_client import CollectorRegistry
from running import Running

FUZZ = settings(
    max_examples=examples(250),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PERSONAL = ("447700900", "15550109999", "7700900123456789012", "Example", "order", "wamid.", "GB.")
SURROUNDINGS = {"messaging_product", "metadata", "contacts"}


@st.composite
def batches(draw: st.DrawFn) -> Any:
    """Several mutated callbacks as one."""
    bodies = [body for body in draw(st.lists(mutated(), max_size=5)) if isinstance(body, dict)]
    entries = [body.get("entry") for body in bodies]
    return {"entry": [one for entry in entries for one in (entry if isinstance(entry, list) else [entry])]}


BODIES = (
    st.one_of(mutated(), batches(), JSON, st.fixed_dictionaries({"entry": JSON}))
    .map(json.dumps)
    .map(str.encode)
)


def at_least(body: bytes) -> int:
    """How many items a callback holds, by the shape that all of WhatsApp's have."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return 1
    if not isinstance(parsed, dict) or not isinstance(parsed.get("entry"), list):
        return 1
    return sum(_of_entry(entry) for entry in parsed["entry"])


def _of_entry(entry: Any) -> int:
    if not isinstance(entry, dict) or not isinstance(entry.get("changes"), list):
        return 1
    return sum(_of_change(change) for change in entry["changes"])


def _of_change(change: Any) -> int:
    match change:
        case {"field": "messages" | "calls" | "smb_message_echoes" | "standby", "value": dict(value)}:
            items = [value[name] for name in value if name not in SURROUNDINGS]
            known = value.get("messages"), value.get("statuses"), value.get("calls")
            told = sum(len(one) if isinstance(one, list) and one in known else 0 for one in items)
            return max(1, told)
        case _:
            return 1


def recorded(running: Running) -> dict[str, float]:
    """How many facts were told to be stored, and how many to be known."""
    registry: CollectorRegistry = running.gateway.metrics.registry
    found = {"appended": 0.0, "duplicate": 0.0}
    for family in registry.collect():
        for sample in family.samples:
            if sample.name == "ledgerline_webhook_items_total":
                found[sample.labels["outcome"]] += sample.value
    return found


@contextmanager
def silent() -> Iterator[None]:
    """No error is logged, and what is logged at all quotes nobody."""
    with structlog.testing.capture_logs() as lines:
        yield
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []
    assert [name for name in PERSONAL if name in repr(lines)] == []


async def stored(running: Running) -> int:
    """How many events the log holds, beside links between identifiers."""
    count = "select count(*) from ledgerline.stored_events where topic <> 'IdentityLinked'"
    return int(await running.gateway.pool.fetchval(count))


@FUZZ
@given(body=BODIES | st.binary(max_size=80))
async def test_each_item_of_each_signed_callback_is_a_fact(running: Running, body: bytes) -> None:
    before, was = await stored(running), recorded(running)
    with silent():
        assert await running.callback(body) == 200
    told = recorded(running)
    appended, known = told["appended"] - was["appended"], told["duplicate"] - was["duplicate"]
    assert await stored(running) == before + appended
    assert appended + known >= at_least(body)
    assert await running.callback(body) == 200
    assert await stored(running) == before + appended
