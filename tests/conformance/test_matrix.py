"""The matrix holds the document against a whole run, and leaves it alone after a part of one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conformance import matrix
from conformance.matrix import CLIENTS, Matrix

DECLARED = [("offer", "text"), ("closed", "calls"), ("refusal", "refused"), ("receive", "text")]


def ran(client: str, part: str, name: str, outcome: str = "passed") -> Any:
    told = [client, "1.0", "raises `Closed`", "", DECLARED, part, name]
    properties = [("conformance", told)]
    return SimpleNamespace(
        when="call", passed=outcome == "passed", outcome=outcome, user_properties=properties
    )


def ended(*reports: Any) -> Any:
    """The session after a run of these tests."""
    session, run = SimpleNamespace(exitstatus=pytest.ExitCode.OK), Matrix()
    for report in reports:
        run.pytest_runtest_logreport(report)
    run.pytest_sessionfinish(session)  # type: ignore[arg-type]
    return session.exitstatus


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CONFORMANCE", raising=False)
    monkeypatch.setattr(matrix, "DOCUMENT", tmp_path / "conformance.md")
    return tmp_path / "conformance.md"


WHOLE = [ran(client, part, name) for client in CLIENTS for part, name in DECLARED]


def test_a_whole_run_is_compared_with_the_document(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(*WHOLE) == pytest.ExitCode.TESTS_FAILED

    monkeypatch.setenv("CONFORMANCE", "write")
    assert ended(*WHOLE) == pytest.ExitCode.OK
    monkeypatch.delenv("CONFORMANCE")
    assert ended(*WHOLE) == pytest.ExitCode.OK
    rows = document.read_text().splitlines()
    assert "| text | " + " | ".join("✔" for _ in CLIENTS) + " |" in rows
    assert "| calls | " + " | ".join("closed" for _ in CLIENTS) + " |" in rows
    assert "| refused | " + " | ".join("raises `Closed`" for _ in CLIENTS) + " |" in rows

    failed = [ran("pywa", "offer", "text", "failed"), *WHOLE[1:]]
    assert ended(*failed) == pytest.ExitCode.TESTS_FAILED


def test_a_part_of_a_run_says_nothing_about_the_document(document: Path) -> None:
    assert ended() == ended(*WHOLE[:-1]) == ended(*WHOLE[4:]) == pytest.ExitCode.OK
    assert not document.exists()
