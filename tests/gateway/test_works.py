"""Works in the background outlive their own errors."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway import works
from gateway.works import go_on


async def test_a_work_that_fails_is_logged_without_its_text_and_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(works, "PAUSE", 0.0)
    errors = iter([ValueError("+447700900123"), ExceptionGroup("both", [KeyError("a"), TypeError("b")])])

    async def work() -> None:
        for error in errors:
            raise error

    with capture_logs() as logged:
        await go_on("settler", work)
    assert [(one["work"], one["error"]) for one in logged] == [
        ("settler", "ValueError"),
        ("settler", "KeyError"),
        ("settler", "TypeError"),
    ]
    assert "447700900123" not in str(logged)
    assert all(one["where"].startswith("test_works.py:") for one in logged[:1])


async def test_a_work_ends_when_it_is_cancelled() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(go_on("settler", work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
