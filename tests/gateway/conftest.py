"""The fixtures of a running gateway (tests/running.py), WhatsApp's payloads, and the metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from running import Running, running, start

from gateway.sends import settler

__all__ = ["running", "start"]

PAYLOADS = Path(__file__).parents[1] / "payloads"

Payload = Callable[[str], Any]
Metric = Callable[..., Awaitable[float]]


@pytest.fixture(scope="session")
def payload() -> Payload:
    """Reads one payload by its name."""
    return lambda name: orjson.loads((PAYLOADS / f"{name}.json").read_bytes())


@pytest.fixture(scope="session")
def callbacks() -> dict[str, list[bytes]]:
    """The bodies of all callbacks among the payloads, in order, by name."""
    found = {}
    for path in sorted(PAYLOADS.glob("cloud_*.json")):
        body = orjson.loads(path.read_bytes())
        if "entry" in body:
            found[path.stem] = [path.read_bytes()]
        elif "posts" in body:
            found[path.stem] = [orjson.dumps(post) for post in body["posts"]]
    return found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tells callers of unknown sends sooner that no status came."""
    monkeypatch.setattr(settler, "PATIENCE", 1.0)


@pytest.fixture
def metric() -> Metric:
    """Sum of the samples of /metrics with this name and at least these labels."""

    async def read(gateway: Running, name: str, **labels: str) -> float:
        _, text = await gateway.get("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    return read
