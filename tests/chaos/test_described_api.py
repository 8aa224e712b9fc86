"""Whatever our description of the API allows, and what it does not: no 5xx, and answers as described."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from effort import examples
from hypothesis import HealthCheck, Phase, given, settings
from running import ANN, LINE, Running
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from gateway.sandbox import API_KEY

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
TRIES = settings(
    max_examples=examples(15),
    deadline=None,
    database=None,
    suppress_health_check=[*HealthCheck],
    phases=[Phase.generate],
)


def fuzz(operation: APIOperation, mode: GenerationMode, url: str, path: dict[str, str]) -> None:
    """Call one operation, at that path or at any, in ways that are as described or are not."""
    known = {name: value for name, value in path.items() if f"{{{name}}}" in operation.path}

    @TRIES
    @given(case=operation.as_strategy(mode, path_parameters=known or None))
    def calls(case: schemathesis.Case) -> None:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=30)

    calls()


def operations(description: dict[str, Any]) -> list[APIOperation]:
    found = schemathesis.openapi.from_dict(description).get_all_operations()
    return [operation.ok() for operation in found]


async def known_path(running: Running) -> dict[str, str]:
    """Parameters that name what the log holds, after a little of everything."""
    await running.writes()
    await running.writes("GB.7700900123456789012")
    await running.text()
    send_id = running.headers["Ledgerline-Send-Id"]
    await running.text("447700900999")
    await running.settled()
    return {"line": LINE, "contact": ANN, "id": send_id, "send_id": send_id, "version": "v26.0"}


async def test_what_is_described_is_answered_as_described(running: Running) -> None:
    path = await known_path(running)
    _, description = await running.get("/openapi.json")
    for operation in operations(description):
        await asyncio.to_thread(fuzz, operation, GenerationMode.POSITIVE, running.url, path)
        if operation.path_parameters:
            await asyncio.to_thread(fuzz, operation, GenerationMode.POSITIVE, running.url, {})


async def test_what_is_not_described_is_refused_as_described(running: Running) -> None:
    path = await known_path(running)
    _, description = await running.get("/openapi.json")
    for operation in operations(description):
        if operation.query or operation.headers or operation.body:
            await asyncio.to_thread(fuzz, operation, GenerationMode.NEGATIVE, running.url, path)


@pytest.mark.parametrize("at", ["0001-01-02T00:00:00Z", "0169-04-27T10:36:23Z", "9999-12-31T00:00:00Z"])
async def test_a_window_is_told_at_any_time_that_can_be_written(running: Running, at: str) -> None:
    await running.writes()
    status, window = await running.get(f"/api/lines/{LINE}/conversations/{ANN}/window", at=at)
    assert (status, window["decided_at"]) == (200, at.replace("Z", ".000Z"))


@pytest.mark.parametrize(
    "path",
    [
        "/api/messages",
        *(
            f"/api/reports/{name}"
            for name in ("counts", "billing", "observed", "delivery", "refusals", "windows")
        ),
    ],
)
@pytest.mark.parametrize("line", ["106540352242922\0", "x", "", "\u0661"])
async def test_a_line_that_is_none_is_named_as_what_is_wrong(running: Running, path: str, line: str) -> None:
    status, problem = await running.get(path, line=line)
    assert (status, problem["type"], problem["parameter"]) == (400, "urn:ledgerline:bad-parameter", "line")


async def test_an_empty_form_is_no_file(running: Running) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    status, answer = await running.post("/v1/media", b"--b\r\n--b--\r\n", headers=headers)
    assert (status, answer["errors"][0]["code"]) == (400, 1009)
