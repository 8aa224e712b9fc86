"""A PostgreSQL cluster of our own: made once, checked at every start, and the settings it runs with."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.store.embedded.files import secret, sync_folder
from gateway.store.embedded.locks import hold
from gateway.store.embedded.places import EmbeddedError, User
from gateway.store.embedded.programs import run

ROLE: Final = "ledgerline"
_MB: Final = 1 << 20
_INITDB: Final = (
    *("--username", ROLE, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
    *("--data-checksums", "--no-instructions"),
)

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    # The log must not quote data: no statements, no parameters, and no error of a statement at all (the text
    # of "invalid input syntax" is the input), only what the server says about itself.
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
    """The server's command line; `settings` go before ours."""
    whole = {
        **_SETTINGS,
        "unix_socket_directories": str(sockets),
        "shared_buffers": f"{shared_buffers(_memory()) // _MB}MB",
        **settings,
    }
    options = [text for name, value in whole.items() for text in ("-c", f"{name}={value}")]
    return [str(binaries / "postgres"), "-D", str(home / "cluster"), *options]


def shared_buffers(memory: int) -> int:
    """Bytes for PostgreSQL's cache on a machine of this size.

    A quarter, as its manual advises, but at most 1 GB: a laptop has other work, what is read again of a log
    is mostly its end, and the system's cache holds the rest.
    """
    return max(128 * _MB, min(memory // 4, 1024 * _MB))


def _memory() -> int:
    """Bytes of memory of this machine, or of this container."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return physical


async def prepare(binaries: Path, home: Path, user: User, say: Callable[[str], None]) -> str:
    """Make the cluster if there is none, check its version, and return the password of its superuser."""
    password = home / "password"
    if not (home / "cluster").exists():
        say(f"making a PostgreSQL cluster in {home}")
        secret(password, secrets.token_urlsafe(32))
        user.own(password)
        await _make(binaries, home, user)
    await _check_version(binaries, home, user)
    if not password.exists():
        raise EmbeddedError(f"{password} is missing: restore it with the cluster beside it from one backup")
    return password.read_text().strip()


async def _make(binaries: Path, home: Path, user: User) -> None:
    async with hold(home / "server") as lock:  # an initdb that outlived its gateway holds it still
        new = home / "cluster.new"
        shutil.rmtree(new, ignore_errors=True)
        place: list[Path | str] = ["--pgdata", new, "--pwfile", home / "password"]
        await run(user, [binaries / "initdb", *place, *_INITDB], keeps=[lock])
        new.rename(home / "cluster")
        sync_folder(home)


async def _check_version(binaries: Path, home: Path, user: User) -> None:
    ours = (await run(user, [binaries / "postgres", "--version"])).split()[2].split(".")[0]
    theirs = (home / "cluster" / "PG_VERSION").read_text().strip()
    if ours != theirs:
        raise EmbeddedError(
            f"{home}/cluster is of PostgreSQL {theirs}, and {binaries} is PostgreSQL {ours}."
            f" Go back to the release with {theirs}, or upgrade once, as the owner of {home}"
            f" (OLD is the bin folder of a PostgreSQL {theirs}):\n"
            f"cd {home} && rm -rf cluster.new && export PGPASSWORD=$(cat password)"
            f" && {binaries}/initdb --pgdata cluster.new --pwfile password {' '.join(_INITDB)}"
            f" && {binaries}/pg_upgrade -U {ROLE} -b OLD -B {binaries} -d cluster -D cluster.new"
            f" && mv cluster cluster.{theirs} && mv cluster.new cluster"
        )
