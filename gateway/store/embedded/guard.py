"""The process beside an embedded server: starts it, again when it dies, and stops it after the last client.

It runs as a script, in a session of its own and with the standard library only, so that neither Ctrl-C nor
the kill of a gateway reaches it. What lives is told by locks of the kernel, which no kill leaves behind:

- `lock`     whoever starts or leaves holds it while doing so
- `clients`  every client holds it, shared
- `guard`    the guard holds it
- `server`   the server and each of its processes hold it, inherited from the guard
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

PAUSE: Final = 0.1
"""Seconds between two looks at the locks."""


class Server(NamedTuple):
    """What a guard has to know of its server."""

    home: Path
    sockets: Path
    user: int
    group: int
    command: list[str]

    def words(self) -> list[str]:
        """As arguments of a process."""
        return [str(self.home), str(self.sockets), str(self.user), str(self.group), *self.command]

    @classmethod
    def from_words(cls, words: list[str]) -> Server:
        """The inverse of `words`."""
        home, sockets, user, group, *command = words
        return cls(Path(home), Path(sockets), int(user), int(group), command)


def try_lock(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    """A descriptor that holds the lock until it is closed; None when somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(path: Path, *, by_anyone: bool = False) -> bool:
    """Whether a living process holds the lock: alone, or by anyone who shares it too."""
    descriptor = try_lock(path, fcntl.LOCK_EX if by_anyone else fcntl.LOCK_SH)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def shut_down(home: Path) -> None:
    """Stop the server, if one runs, and wait until the last of its processes is gone."""
    told = None
    while is_held(home / "server"):
        pid = _recorded_pid(home / "cluster")
        if pid not in (None, told):
            told = pid
            _tell(pid)
        time.sleep(PAUSE / 2)


def _tell(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGINT)  # a fast shutdown
    except ProcessLookupError:
        return  # it went by itself


def _recorded_pid(cluster: Path) -> int | None:
    try:
        return abs(int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])) or None
    except (FileNotFoundError, ValueError):
        return None


def _launch(server: Server) -> subprocess.Popen[bytes] | None:
    """Start the server; None while processes of the one before are still going."""
    lock = try_lock(server.home / "server")
    if lock is None:
        return None
    try:
        _clear_away(server)
        other: dict[str, Any] = {"user": server.user, "group": server.group, "extra_groups": []}
        return subprocess.Popen(  # noqa: S603 - the gateway's own words
            server.command,
            cwd=server.home,
            pass_fds=[lock],
            **(other if os.geteuid() != server.user else {}),
        )
    finally:
        os.close(lock)


def _clear_away(server: Server) -> None:
    """Remove what a killed server left: PostgreSQL would yield to any living process that has its pid now.

    Nobody holds the lock, so the server is gone, if it is not one that somebody started by hand.
    """
    cluster = server.home / "cluster"
    pid = _recorded_pid(cluster)
    try:
        by_hand = pid is not None and Path(f"/proc/{pid}/cwd").samefile(cluster)
    except OSError:
        by_hand = False
    if by_hand:
        sys.exit(f"FATAL: a PostgreSQL that was started by hand (pid {pid}) runs on {cluster}: stop it first")
    for left in (cluster / "postmaster.pid", *server.sockets.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)


def _is_deserted(home: Path) -> bool:
    """Whether no client is left; if so, none can come before this process ends."""
    lock = try_lock(home / "lock")
    if lock is None:
        return False
    if try_lock(home / "clients") is not None:
        return True
    os.close(lock)
    return False


def _watch(server: Server) -> None:
    home = server.home
    child: subprocess.Popen[bytes] | None = None
    seen = False
    while not _is_deserted(home):
        if child is not None:
            child.poll()  # reaps it
        if is_held(home / "server"):
            seen = True
        elif seen and is_held(home / "lock"):
            return  # it was stopped, or could not start: whoever holds the lock goes on from here
        else:
            time.sleep(10 * PAUSE if seen else 0)
            child = _launch(server)
            seen = seen or child is not None
        time.sleep(PAUSE)
    shut_down(home)


def main(server: Server) -> None:
    """Return at once; the guard goes on as a process of its own, unless there is one already."""
    if try_lock(server.home / "guard") is None or os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    _watch(server)


if __name__ == "__main__":
    main(Server.from_words(sys.argv[1:]))
