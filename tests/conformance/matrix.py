"""docs/conformance.md, by what a whole run of tests/conformance gave."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from conformance.capabilities import ALSO_RECEIVES, CALLS, RECEIVES, SENDS

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "conformance.md"
CLIENTS: Final = (
    "pywa",
    "heyoo",
    "@kapso/whatsapp-cloud-api",
    "whatsapp-api-js",
    "@whatsapp-cloudapi/client",
    "wabclient",
)
INTRODUCTION: Final = """\
# Conformance

What published, unmodified clients do against the gateway: every type each of them offers, as the client,
WhatsApp (the sandbox) and the log saw it. `make conformance` writes this file from a run of
`tests/conformance`; the suite fails when it says something else. How each is pointed here:
[recipes](recipes/README.md).

✔ works · ✘ does not · closed: the client offers it, the gateway does not pass it on and says so (403, on the
on-premises face 404) · empty: the client does not offer it.
"""
TITLES: Final = {"offer": "Sends and calls", "refusal": "Refusals", "receive": "Receiving"}
ORDER: Final = {
    "offer": (*SENDS, *CALLS),
    "refusal": ("refused", "wrong key"),
    "receive": (*ALSO_RECEIVES, *RECEIVES),
}
MARKS: Final = {"passed": "✔", "closed": "closed"}

Cell = tuple[str, str, str]
"""Part of the document, capability, client."""


class Matrix:
    """Collects what the tests of a run said, and compares the document with it at the end."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}
        self._natively: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._declared: dict[str, set[tuple[str, str]]] = {}
        self._found: dict[Cell, str] = {}
        self._fault: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One test of a cell ended, or could not begin."""
        told = next((value for name, value in report.user_properties if name == "conformance"), None)
        if told is None or (report.when != "call" and report.passed):
            return
        client, version, natively, note, declared, part, capability = told
        self._versions[client], self._natively[client] = version, natively
        self._notes[client] = note
        self._declared.setdefault(client, set()).update((of, name) for of, name in declared)
        closed = part == "closed"
        outcome = "closed" if closed and report.passed else report.outcome
        cell = ("offer" if closed else part, capability, client)
        if self._found.get(cell) in (None, "passed", "closed"):
            self._found[cell] = outcome

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write or compare, when every cell of every client was tested."""
        if not self._is_whole():
            return
        notes = [f"- {note}\n" for client in CLIENTS if (note := self._notes[client])]
        text = rendered(self._versions, self._natively, self._found) + "\n## Notes\n\n" + "".join(notes)
        if os.environ.get("CONFORMANCE") == "write":
            DOCUMENT.write_text(text)
        elif not DOCUMENT.exists() or DOCUMENT.read_text() != text:
            self._fault = "docs/conformance.md is not what this run gave: `make conformance` writes it."
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say so last."""
        if self._fault:
            terminalreporter.write_line(self._fault, red=True)

    def _is_whole(self) -> bool:
        return set(CLIENTS) == self._versions.keys() and all(
            ("offer" if part == "closed" else part, capability, client) in self._found
            for client, declared in self._declared.items()
            for part, capability in declared
        )


def rendered(versions: Mapping[str, str], natively: Mapping[str, str], found: Mapping[Cell, str]) -> str:
    """The document."""
    rows: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for (part, capability, client), outcome in found.items():
        mark = MARKS.get(outcome, "✘")
        shown = natively[client] if capability == "refused" and mark == "✔" else mark
        rows[part][capability][client] = shown
    tables = [
        f"\n## {title}\n\n" + "".join(_table(versions, rows[part], ORDER[part]))
        for part, title in TITLES.items()
    ]
    return "".join([INTRODUCTION, *tables])


def _table(
    versions: Mapping[str, str], rows: Mapping[str, Mapping[str, str]], order: Sequence[str]
) -> Iterator[str]:
    yield "| | " + " | ".join(f"{client} {versions[client]}" for client in CLIENTS) + " |\n"
    yield "|---|" + "---|" * len(CLIENTS) + "\n"
    for capability in [*order, *sorted(rows.keys() - {*order})]:
        if capability in rows:
            marks = (rows[capability].get(client, "") for client in CLIENTS)
            yield f"| {capability} | " + " | ".join(marks) + " |\n"
