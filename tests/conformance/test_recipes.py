"""docs/recipes, run as printed against a sandbox."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conformance.client import JAVASCRIPT, node
from running import Running, Start

from gateway.sandbox import WABA

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "recipes"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CURL = 'curl() { command curl --write-out "%{stderr}status %{http_code}\\n" "$@"; }\n'


def blocks(name: str, language: str) -> list[str]:
    """What stands in a recipe's blocks of this language."""
    return [text for found, text in BLOCK.findall((RECIPES / name).read_text()) if found == language]


def at(running: Running, text: str) -> str:
    """The text for this sandbox."""
    return text.replace("localhost:8080", running.url.removeprefix("http://"))


async def run(*command: str, cwd: Path = ROOT, given: str = "") -> subprocess.CompletedProcess[str]:
    """What a program printed."""

    def call() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own recipes
            command, cwd=cwd, input=given, capture_output=True, text=True, timeout=100, check=False
        )

    return await asyncio.to_thread(call)


async def test_every_line_of_curl_gives_the_status_it_promises(start: Start) -> None:
    assert shutil.which("curl"), "the recipe needs curl"
    lines = [line for block in blocks("curl.md", "sh") for line in block.splitlines() if "curl " in line]
    expected = [line.rpartition(" # ")[2] if re.search(r" # \d+$", line) else "20" for line in lines]
    async with start(waba=WABA) as running:
        script = CURL + at(running, "\n".join(blocks("curl.md", "sh")))
        done = await run("bash", "-euo", "pipefail", given=script)

    assert done.returncode == 0, done.stderr
    found = re.findall(r"^status (\d+)$", done.stderr, re.MULTILINE)
    wrong = [
        f"{status}: {line}"
        for line, status, begins in zip(lines, found, expected, strict=True)
        if not status.startswith(begins)
    ]
    assert wrong == []


async def test_curl_has_a_line_for_every_route(running: Running) -> None:
    _, description = await running.get("/openapi.json")
    lines = "\n".join(blocks("curl.md", "sh"))
    paths = [re.sub(r"\{[^}]*\}", "§", path) for path in description["paths"] if "{token}" not in path]
    missing = [path for path in paths if not _pattern(path).search(lines)]

    assert missing == [], "docs/recipes/curl.md has no line for these paths"


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(
        "localhost:8080" + re.escape(path).replace("§", r"[^/ ?]+") + r"(?=[ ?'\"]|$)", re.MULTILINE
    )


def test_what_a_recipe_does_not_run_can_be_read() -> None:
    for path in RECIPES.glob("*.md"):
        for text in blocks(path.name, "py"):
            compile(text, path.name, "exec")


PYTHON = ("pywa.md", "heyoo.md", "wabclient.md")
JS = ("kapso.md", "whatsapp-api-js.md", "whatsapp-cloudapi-client.md")


@pytest.mark.parametrize("name", [*PYTHON, *JS])
async def test_a_recipe_prints_what_it_says(start: Start, name: str) -> None:
    async with start(waba=WABA) as running:
        await running.writes()
        language = "python" if name in PYTHON else "js"
        code = at(running, "\n".join(blocks(name, language)))
        if name in PYTHON:
            done = await run(sys.executable, "-", given=code)
        else:
            done = await run(node(), "--input-type=module", "-", cwd=JAVASCRIPT, given=code)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == "\n".join(blocks(name, "text")).splitlines()
