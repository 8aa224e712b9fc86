from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gateway.sandbox

MODULES = sorted(Path(next(iter(gateway.sandbox.__path__))).glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_the_oracle_imports_nothing_of_what_it_judges(module: Path) -> None:
    ours = {
        name
        for node in ast.walk(ast.parse(module.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if name.split(".")[0] in {"domain", "projections", "gateway"}
    }

    assert {name for name in ours if not name.startswith("gateway.sandbox")} == set()
