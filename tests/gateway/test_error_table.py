"""Every code of WhatsApp's error table (Cloud API reference, section 7) on both faces, row by row.

The rows are written down from the reference, not from what the gateway makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from running import LINE, Running

from domain.graph_errors import VERDICTS
from gateway.sends import settler

Face = Literal["cloud", "on-premises"]
FACES: tuple[Face, ...] = ("cloud", "on-premises")


@dataclass(frozen=True)
class Row:
    """One line of the reference's table."""

    code: int
    http_status: int
    where: Literal["S", "W", "B"]
    """Answered at once, called back, or both."""
    retry: Literal["safe", "unsafe", "no"]


ROWS = [
    Row(0, 401, "S", "no"),
    Row(1, 400, "S", "unsafe"),
    Row(2, 503, "S", "unsafe"),
    Row(3, 500, "S", "no"),
    Row(4, 400, "S", "safe"),
    Row(10, 403, "S", "no"),
    Row(33, 400, "S", "no"),
    Row(100, 400, "S", "no"),
    Row(190, 401, "S", "no"),
    *(Row(code, 403, "S", "no") for code in (200, 201, 210, 298, 299)),
    Row(368, 403, "S", "no"),
    Row(80007, 400, "S", "safe"),
    Row(130403, 403, "B", "no"),
    Row(130429, 400, "B", "safe"),
    Row(130472, 400, "W", "no"),
    Row(130497, 403, "B", "no"),
    Row(131000, 500, "B", "unsafe"),
    Row(131005, 403, "S", "no"),
    Row(131008, 400, "S", "no"),
    Row(131009, 400, "B", "no"),
    Row(131016, 500, "B", "unsafe"),
    *(Row(code, 400, "B", "no") for code in (131020, 131041, 131059, 131201, 131202, 131204)),
    Row(131207, 403, "B", "no"),
    Row(131208, 429, "B", "no"),
    *(Row(code, 400, "B", "no") for code in (131209, 131210, 131211, 131212, 131213, 131214, 131215)),
    Row(131021, 400, "S", "no"),
    Row(131026, 400, "B", "no"),
    Row(131030, 400, "S", "no"),
    Row(131031, 403, "B", "no"),
    Row(131037, 400, "B", "no"),
    Row(131042, 400, "B", "no"),
    Row(131044, 400, "S", "no"),
    Row(131045, 500, "B", "no"),
    Row(131047, 400, "B", "no"),
    Row(131048, 400, "B", "no"),
    Row(131049, 400, "W", "no"),
    Row(131050, 400, "B", "no"),
    Row(131051, 400, "B", "no"),
    Row(131052, 400, "W", "no"),
    Row(131053, 400, "B", "no"),
    Row(131055, 400, "S", "no"),
    Row(131056, 400, "B", "safe"),
    Row(131057, 500, "S", "unsafe"),
    Row(131061, 400, "S", "no"),
    Row(131062, 400, "S", "no"),
    Row(131063, 400, "S", "no"),
    Row(131064, 400, "B", "no"),
    Row(131065, 400, "S", "no"),
    Row(131070, 400, "S", "no"),
    Row(132000, 400, "S", "no"),
    Row(132001, 404, "S", "no"),
    Row(132005, 400, "S", "no"),
    Row(132007, 400, "S", "no"),
    Row(132008, 400, "S", "no"),
    Row(132012, 400, "S", "no"),
    Row(132015, 400, "B", "no"),
    Row(132016, 400, "S", "no"),
    Row(132018, 400, "S", "no"),
    Row(132068, 400, "S", "no"),
    Row(132069, 400, "S", "no"),
    Row(133000, 500, "S", "safe"),
    Row(133004, 503, "S", "unsafe"),
    *(Row(code, 400, "S", "no") for code in (133005, 133006, 133008, 133009, 133010)),
    Row(133015, 400, "S", "no"),
    Row(133016, 400, "S", "no"),
    Row(134011, 400, "S", "no"),
    Row(134100, 400, "S", "no"),
    Row(134101, 400, "S", "no"),
    Row(134102, 500, "S", "no"),
    Row(135000, 400, "B", "no"),
    Row(137000, 400, "S", "no"),
]
OF_OTHER_REQUESTS = [
    *(136024, 136025, 138000, 138018, 138038, 139000, 139004, 139100, 139101, 139102, 139103),
    *(147001, 147005, 1752041, 2388001, 2388012, 2388019, 2388039, 2388040, 2388047, 2388072, 2388073),
    *(2388091, 2388093, 2388103, 2388293, 2388299, 2593107, 2593109, 2593079, 2593085, 200005, 200007),
    *(2494100, 2494191, 131001, 131002, 131006, 131014, 131043, 133001, 133003, 133007, 506),
]
"""Codes of registration, calls, flows, templates and history: no send gets them; one that did has failed."""

LEGACY = {
    100: (400, 1009),
    130429: (429, 1015),
    131008: (400, 1008),
    131009: (400, 1009),
    131026: (400, 1013),
    131031: (400, 1031),
    131042: (400, 402),
    131047: (400, 470),
    131048: (400, 471),
    131051: (400, 501),
    131056: (429, 1015),
    132000: (400, 2000),
    132001: (400, 2001),
    132005: (400, 2005),
    132012: (400, 2012),
    132015: (400, 2061),
    132016: (400, 2062),
    132018: (400, 2006),
}
"""What a client of the old API is told; of all else (500, 1000)."""


@dataclass(frozen=True)
class Life:
    """What a caller sees of a send, at once and later."""

    answer: tuple[int, int | None]
    """HTTP status and code."""
    outcome: str
    recorded: tuple[str, int | None, int | None, bool | None]
    """The last event: topic, code, HTTP status, safe."""
    state: str
    failed: int | None
    """The code that /api/messages tells."""
    again: tuple[int, str, bool, bool]
    """The same Idempotency-Key again: status, outcome, whether replayed, whether the same send."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown send is told without waiting for a status."""
    monkeypatch.setattr(settler, "PATIENCE", 0.0)


async def send(running: Running, face: Face, code: int) -> tuple[int, int | None]:
    """A template to a person of the code's own, under a key of its own; status and code of the answer."""
    body = {
        "messaging_product": "whatsapp",
        "to": f"+44770{code:07}",
        "type": "template",
        "template": {"name": "order_update", "language": {"code": "en_GB"}},
    }
    path = f"/v26.0/{LINE}/messages" if face == "cloud" else "/v1/messages"
    status, answer = await running.post(path, body, headers={"Idempotency-Key": f"code-{code}"})
    if "messages" in answer:
        return status, None
    return status, answer["error"]["code"] if face == "cloud" else answer["errors"][0]["code"]


async def life(running: Running, face: Face, code: int, answer: tuple[int, int | None]) -> Life:
    """All that can be seen of the send that `answer` was given to, while it is the newest of its key."""
    outcome, send_id = running.headers["Ledgerline-Outcome"], running.headers["Ledgerline-Send-Id"]
    message, last = await told(running, send_id)
    status, _ = await send(running, face, code)
    headers = running.headers
    again = (
        status,
        headers["Ledgerline-Outcome"],
        headers.get("Idempotent-Replayed") == "true",
        headers["Ledgerline-Send-Id"] == send_id,
    )
    failed = message["failed"] and message["failed"]["code"]
    return Life(answer, outcome, last, message["state"], failed, again)


async def told(running: Running, send_id: str) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """The send as /api/messages tells it, and its last event."""
    status, message = await running.get(f"/api/messages/{send_id}")
    assert status == 200
    last = message["events"][-1]
    return message, (last["topic"], *(last["data"].get(name) for name in ("code", "http_status", "safe")))


def expected(face: Face, row: Row) -> Life:
    """What the reference's `Retry` means for a code that is answered at once."""
    accepted, unknown = (200, (500, 131000)) if face == "cloud" else (201, (500, 1000))
    if row.retry == "unsafe":
        recorded = ("SendUnknown", row.code, row.http_status, None)
        return Life(unknown, "unknown", recorded, "unknown", None, (500, "unknown", True, True))
    answer = (row.http_status, row.code) if face == "cloud" else LEGACY.get(row.code, (500, 1000))
    recorded = ("SendFailed", row.code, row.http_status, row.retry == "safe")
    free, bound = (accepted, "accepted", False, False), (answer[0], "failed", True, True)
    return Life(answer, "failed", recorded, "failed", row.code, free if row.retry == "safe" else bound)


def test_the_table_and_the_gateway_name_the_same_codes() -> None:
    sampled = {code for code in VERDICTS if not 200 <= code < 300}
    assert {row.code for row in ROWS if not 200 <= row.code < 300} == sampled
    assert {code for code in VERDICTS if 200 <= code < 300} == set(range(200, 300))
    assert VERDICTS.keys().isdisjoint(OF_OTHER_REQUESTS)


@pytest.mark.parametrize("face", FACES)
async def test_a_code_that_is_answered_at_once(running: Running, face: Face) -> None:
    rows = [row for row in ROWS if row.where != "W"]
    rows += [Row(code, 400, "S", "no") for code in OF_OTHER_REQUESTS]
    seen = {}
    for row in rows:
        fault = {"kind": "error", "code": row.code, "http_status": row.http_status}
        assert (await running.post("/sandbox/faults", fault))[0] == 200
        seen[row.code] = await life(running, face, row.code, await send(running, face, row.code))

    assert seen == {row.code: expected(face, row) for row in rows}
    safe = sum(row.retry == "safe" for row in rows)
    assert sum(one["count"] for one in await running.accepted()) == safe


@pytest.mark.parametrize("face", FACES)
async def test_a_code_that_a_status_tells(running: Running, face: Face) -> None:
    codes = [row.code for row in ROWS if row.where != "S"]
    answers = {}
    for code in codes:
        assert (await running.post("/sandbox/faults", {"kind": "fail_status", "code": code}))[0] == 200
        answers[code] = (await send(running, face, code), running.headers)
    await running.settled()
    seen = {}
    for code, (answer, running.headers) in answers.items():
        seen[code] = await life(running, face, code, answer)

    ok = 200 if face == "cloud" else 201
    # Accepted once, a key is bound for ever: whoever wants to send again takes another one.
    again = (ok, "accepted", True, True)
    assert seen == {
        code: Life((ok, None), "accepted", ("StatusReceived", code, None, None), "failed", code, again)
        for code in codes
    }
    assert {one["count"] for one in await running.accepted()} == {1}
