"""Reports as an operator reads them: tables, CSV and JSON of the same answer."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from running import ANN, LINE, Running

from gateway.reports import open_windows, tables, texts
from projections import delivery, refusals

BOB = "447700900456"


async def told(running: Running, name: str, **query: Any) -> dict[str, Any]:
    status, body = await running.get(f"/api/reports/{name}", **query)
    assert status == 200, body
    return dict(body)


@pytest.fixture
async def busy(running: Running) -> Running:
    """One message delivered, one failed, one refused."""
    await running.writes()
    await running.text()
    await running.post("/sandbox/faults", {"kind": "fail_status", "times": 1, "code": 131026})
    await running.text()
    await running.text(BOB)
    await running.settled()
    return running


async def test_deliveries_read_as_shares_and_failures_in_words(busy: Running) -> None:
    text = "\n".join(texts.delivery(await told(busy, "delivery")))

    assert "WhatsApp took 2, delivered 1 (50.0%)" in text
    assert "failed 1 (50.0%), unknown 0" in text
    assert "Undeliverable to this person" in text
    assert next(line.split()[:2] for line in text.splitlines() if line.startswith("all ")) == ["all", "2"]


async def test_latencies_that_nobody_measured_read_as_dashes(running: Running) -> None:
    await running.writes()
    await running.post("/sandbox/faults", {"kind": "fail_status", "times": 1, "code": 131026})
    await running.text()
    await running.settled()

    text = "\n".join(texts.delivery(await told(running, "delivery")))

    assert "- - -" in text
    assert "None" not in text


async def test_refusals_read_as_an_estimate(busy: Running) -> None:
    lines = list(texts.refusals(await told(busy, "refusals")))

    assert lines[1] == "Refused 1, in 1 conversations. By WhatsApp's rules:"
    assert lines[2].split()[:2] == ["1", "it"]
    assert "Nobody asked WhatsApp" in lines[6]
    assert lines[-1].split() == [LINE, "never_opened", "sandbox", "-", "1", "1", "failure"]


async def test_windows_read_by_line(busy: Running) -> None:
    lines = list(texts.windows(await told(busy, "windows", hours=24)))

    assert lines[-2].split() == [LINE, "enforce", "60", "1", "1", "1", "0", "0"]
    assert lines[-1].split() == ["all", "-", "-", "1", "1", "1", "0", "0"]
    assert ANN not in "\n".join(lines)


async def test_nothing_reads_as_nothing(running: Running) -> None:
    for name, text in (("delivery", texts.delivery), ("refusals", texts.refusals)):
        assert "0" in "\n".join(text(await told(running, name)))


async def test_csv_holds_the_rows_under_the_same_names_even_when_there_are_none(busy: Running) -> None:
    names = {
        "delivery": ("line", *delivery.COUNTS, *delivery.RATES, *delivery.LATENCIES),
        "refusals": (*refusals.DEFAULT, *refusals.COUNTS, "avoided"),
        "windows": ("line", "mode", "margin", *open_windows.COUNTS),
    }
    for name, columns in names.items():
        body = await told(busy, name)
        [row] = csv.DictReader(io.StringIO(tables.as_csv(body["rows"], columns)))
        assert row == {key: "" if value is None else str(value) for key, value in body["rows"][0].items()}
        assert tables.as_csv([], columns) == ",".join(columns)
        assert json.loads(tables.as_json(body)) == body
