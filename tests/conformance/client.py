"""A published client under test, and how one is run: in this process, or as a program of Node's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

JAVASCRIPT: Final = Path(__file__).parent / "js"


@dataclass(frozen=True, slots=True)
class World:
    """What a client is told: where to send, as whom, and to whom."""

    url: str
    key: str
    line: str
    account: str
    ann: str
    """Wrote a moment ago."""
    bob: str
    """Never wrote."""
    message: str
    """Ann's."""


Report = dict[str, Any]
"""`case`, and what the client made of it: `value`, or `raised` with the class and what the error says."""
Attempts = Iterable[tuple[str, Callable[[], Any]]]


@dataclass(frozen=True, slots=True)
class Client:
    """A client, what it offers, and what it makes of a refusal."""

    name: str
    """As its registry has it."""
    version: str
    reports: Callable[[World], list[Report]]
    offers: tuple[str, ...]
    """Of SENDS and CALLS."""
    refusals: Mapping[str, Any]
    """What of a report tells each refusal."""
    natively: str
    """How a refused free-form message shows, in words for the reader."""
    closed: tuple[str, ...] = ()
    """What it offers as well, and the gateway passes on for nobody."""
    closed_report: Mapping[str, Any] = field(default_factory=dict)
    """What of a report tells so."""
    listening: Any = None
    """Makes a webhook with it (receiving.Listening)."""
    receives: tuple[str, ...] = ()
    note: str = ""
    """What a reader of the matrix should know."""

    def cells(self) -> list[tuple[str, str]]:
        """Part and name of everything that is tested of it."""
        parts = {
            "offer": self.offers,
            "closed": self.closed,
            "refusal": self.refusals,
            "receive": self.receives,
        }
        return [(part, name) for part, names in parts.items() for name in names]


def in_python(
    attempts: Callable[[World], Attempts], described: Callable[[Exception], Report]
) -> Callable[[World], list[Report]]:
    """Runs a client of Python; `described` reads its own exceptions."""

    def run(world: World) -> list[Report]:
        return [_report(case, work, described) for case, work in attempts(world)]

    return run


def _report(case: str, work: Callable[[], Any], described: Callable[[Exception], Report]) -> Report:
    try:
        return {"case": case, "value": work()}
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what is judged
        told = {"class": type(error).__name__, "message": str(error)}
        return {"case": case, "raised": told | described(error)}


def in_node(script: str) -> Callable[[World], list[Report]]:
    """Runs a script of tests/conformance/js."""

    def run(world: World) -> list[Report]:
        done = subprocess.run(  # noqa: S603 - our own script
            [node(), script],
            cwd=JAVASCRIPT,
            env=os.environ | {"WORLD": json.dumps(asdict(world))},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{script} ended with {done.returncode}:\n{done.stderr}"
        return list(_lines(done.stdout))

    return run


def _lines(text: str) -> Iterator[Report]:
    for line in text.splitlines():
        yield json.loads(line)


def node() -> str:
    """Node, with the clients installed; a machine without them can't tell anything about them."""
    found = shutil.which("node")
    assert found, "The clients of JavaScript need Node 20 or later: install it, then `make install`."
    assert (JAVASCRIPT / "node_modules").is_dir(), "The clients of JavaScript are not there: `make install`."
    return found


def npm_version(name: str) -> str:
    """The version that the lock file pins."""
    lock = json.loads((JAVASCRIPT / "package-lock.json").read_bytes())
    return str(lock["packages"][f"node_modules/{name}"]["version"])


def pypi_version(name: str) -> str:
    """The version that is installed, which uv.lock pins."""
    return version(name)
