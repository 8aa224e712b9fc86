"""Three packages, one direction: domain is pure, projections know the domain only, gateway knows both."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"domain", "projections", "gateway", "tests", "benchmarks"}
PURE = {"phonenumbers", "eventsourcing", "orjson"}
"""Libraries without I/O, which the domain may use."""
RIM = {"asyncio", "socket", "ssl", "subprocess", "threading", "selectors", "logging", "time", "os"}
RIM |= {"http.client", "http.server", "urllib.request"}


def _imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports would hide what they name"
            yield str(node.module)


def _packages(module: Path) -> set[str]:
    return {name.split(".")[0] for name in _imported(module)}


def _modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def _name(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("module", _modules("domain"), ids=_name)
def test_the_domain_imports_nothing_of_ours_but_itself_and_no_io(module: Path) -> None:
    imported = _packages(module)

    assert imported & OURS <= {"domain"}
    assert imported - OURS - set(sys.stdlib_module_names) <= PURE
    assert (imported | set(_imported(module))) & RIM == set()


@pytest.mark.parametrize("module", _modules("domain"), ids=_name)
def test_the_domain_reads_no_clock(module: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
    called = {call.attr for call in calls if isinstance(call, ast.Attribute)}

    assert called & {"now", "utcnow", "today"} == set()


@pytest.mark.parametrize("module", _modules("projections"), ids=_name)
def test_projections_import_the_domain_and_themselves_and_no_http(module: Path) -> None:
    imported = _packages(module)

    assert imported & OURS <= {"domain", "projections"}
    assert imported & {"aiohttp", "http", "urllib", "socket"} == set()


@pytest.mark.parametrize("module", _modules("gateway"), ids=_name)
def test_no_package_imports_the_tests_or_benchmarks(module: Path) -> None:
    assert _packages(module) & {"tests", "benchmarks"} == set()


@pytest.mark.parametrize("module", _modules("gateway/sandbox"), ids=_name)
def test_the_sandbox_shares_no_rule_with_what_it_judges(module: Path) -> None:
    assert _packages(module) & {"domain", "projections"} == set()
