"""The process beside an embedded server: starts it, starts it again when it dies, stops it after the last client.

It runs as a script of its own, in its own session and with the standard library only, so that no Ctrl-C and no
kill of a gateway reaches it. What lives is told by locks of the kernel, which no kill leaves behind:

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
from typing import Final

PAUSE: Final = 0.1
"""Seconds between two looks at the locks."""


def try_lock(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    """A descriptor that holds the lock until it is closed; None when somebody else holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock alone."""
    descriptor = try_lock(path, fcntl.LOCK_SH)
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
        return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _launch(home: Path, user: int, group: int, command: list[str]) -> subprocess.Popen[bytes] | None:
    """Start the server; None while processes of the one before are still going."""
    lock = try_lock(home / "server")
    if lock is None:
        return None
    try:
        _remove_stale_pid(home / "cluster")
        other = {} if os.geteuid() == user else {"user": user, "group": group, "extra_groups": []}
        return subprocess.Popen(command, cwd=home, pass_fds=[lock], **other)  # type: ignore[call-overload] # noqa: S603 - user and groups; the command is the gateway's own
    finally:
        os.close(lock)


def _remove_stale_pid(cluster: Path) -> None:
    """Nobody holds the lock, so the pid in the file is dead or a stranger's, unless a person started the server."""
    pid = _recorded_pid(cluster)
    try:
        by_hand = pid is not None and Path(f"/proc/{pid}/cwd").samefile(cluster)
    except OSError:
        by_hand = False
    if by_hand:
        sys.exit(f"FATAL: a PostgreSQL that was started by hand (pid {pid}) runs on {cluster}: stop it first")
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _is_deserted(home: Path) -> bool:
    """Whether no client is left; if so, none can come before this process ends."""
    lock = try_lock(home / "lock")
    if lock is None:
        return False
    if try_lock(home / "clients") is not None:
        return True
    os.close(lock)
    return False


def _watch(home: Path, user: int, group: int, command: list[str]) -> None:
    server = None
    started = False
    while not _is_deserted(home):
        if server is not None:
            server.poll()  # reaps it
        if is_held(home / "server"):
            started = True
        elif started and is_held(home / "lock"):
            return  # it was stopped, or could not start: whoever holds the lock goes on from here
        else:
            if started:
                time.sleep(10 * PAUSE)
            server = _launch(home, user, group, command)
        time.sleep(PAUSE)
    shut_down(home)


def main(home: Path, user: int, group: int, command: list[str]) -> None:
    """Return at once; the guard goes on as a process of its own, unless there is one already."""
    if try_lock(home / "guard") is None or os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    _watch(home, user, group, command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
