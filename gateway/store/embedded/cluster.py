"""A PostgreSQL cluster of our own: made once, checked at every start, and the settings it runs with."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.store.embedded.places import EmbeddedError, User, secret, sync_folder

ROLE: Final = "ledgerline"
PORT: Final = 5432
_MB: Final = 1 << 20

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    # The log must not quote data: no statements, no parameters, and no error of a statement at all (the text of
    # "invalid input syntax" is the input), only what the server says about itself.
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


def command(binaries: Path, home: Path, sockets: Path, settings: Mapping[str, str]) -> list[str]:
    """The server's command line."""
    whole = {
        **_SETTINGS,
        "unix_socket_directories": str(sockets),
        "shared_buffers": f"{_shared_buffers(_memory()) // _MB}MB",
        **settings,
    }
    options = [text for name, value in whole.items() for text in ("-c", f"{name}={value}")]
    return [str(binaries / "postgres"), "-D", str(home / "cluster"), *options]


def _shared_buffers(memory: int) -> int:
    """A quarter of the memory, as PostgreSQL's manual advises, but at most 1 GB: this machine has other work,
    and what a log reads again is at its end."""
    return max(128 * _MB, min(memory // 4, 1024 * _MB))


def _memory() -> int:
    """Bytes of memory of this machine, or of this container."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return physical


async def prepare(binaries: Path, home: Path, user: User, say: Callable[[str], None]) -> str:
    """Make the cluster if there is none, check its version, and return its password."""
    fresh = not (home / "cluster").exists()
    password = secret(home / "password", secrets.token_urlsafe(32))
    if fresh:
        say(f"making a PostgreSQL cluster in {home}")
        user.own(home / "password")
        await _make(binaries, home, user)
    await _check_version(binaries, home)
    return password


async def _make(binaries: Path, home: Path, user: User) -> None:
    new = home / "cluster.new"
    if new.exists():
        shutil.rmtree(new)  # a kill came before the rename below
    await _run(
        user,
        *(binaries / "initdb", "--pgdata", new, "--username", ROLE, "--pwfile", home / "password"),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-instructions"),
    )
    (new / "pg_hba.conf").write_text("local all all scram-sha-256\n")
    new.rename(home / "cluster")
    sync_folder(home)


async def _check_version(binaries: Path, home: Path) -> None:
    ours = (await _run(None, binaries / "postgres", "--version")).split()[2].split(".")[0]
    cluster = home / "cluster"
    theirs = (cluster / "PG_VERSION").read_text().strip()
    if ours == theirs:
        return
    new = home / "cluster.new"
    raise EmbeddedError(
        f"{cluster} is of PostgreSQL {theirs}, and the installed binaries are PostgreSQL {ours}: install the"
        f" {theirs} ones again, or upgrade it once with both, as the owner of {home}:\n"
        f"  cd {home} && {binaries}/initdb -D {new} -U {ROLE} --pwfile=password -A scram-sha-256 -E UTF8 --locale=C"
        f" && PGPASSWORD=$(cat password) {binaries}/pg_upgrade -U {ROLE} -B {binaries} -b BIN_FOLDER_OF_{theirs}"
        f" -d {cluster} -D {new} && mv cluster cluster.{theirs} && mv cluster.new cluster"
        f" && echo 'local all all scram-sha-256' > cluster/pg_hba.conf"
    )


async def _run(user: User | None, *words: Path | str) -> str:
    """Run one of PostgreSQL's programs as this user; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
        env={"LC_ALL": "C", "PATH": os.defpath},
        **(user.process if user else {}),
    )
    out, err = await process.communicate()
    if process.returncode:
        raise EmbeddedError(
            f"{Path(words[0]).name} failed ({process.returncode}): {err.decode(errors='replace').strip()}"
        )
    return out.decode()
