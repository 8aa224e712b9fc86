"""Where an embedded server keeps its files, and whom it runs as."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.store.embedded.files import sync_folder

SYSTEM_FOLDER = Path("/var/lib/ledgerline")
"""Where root puts what the server's unprivileged user could not reach otherwise."""
LONGEST_SOCKET: Final = 90
"""Bytes of a socket's path that every system takes (Linux 107, macOS 103), with room to spare."""


class EmbeddedError(Exception):
    """The embedded server can't run; the text says what would help."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom the server runs as."""

    uid: int
    gid: int

    @property
    def process(self) -> dict[str, Any]:
        """What a subprocess needs to run as this user."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give away what we have just made."""
        if os.geteuid() != self.uid:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether every folder above `path` lets this user through."""
        return os.geteuid() == self.uid or all(
            self._passes(folder.stat()) for folder in path.resolve().parents
        )

    def _passes(self, folder: os.stat_result) -> bool:
        return bool(folder.st_mode & (stat.S_IXUSR if folder.st_uid == self.uid else stat.S_IXOTH))


def make_data_dir(data_dir: Path) -> None:
    """Make the data directory if it is missing; the server's user only passes through root's."""
    data_dir.mkdir(mode=0o700 if os.geteuid() else 0o711, parents=True, exist_ok=True)


def home_of(data_dir: Path, say: Callable[[str], None]) -> Path:
    """The folder that holds cluster, password, log and locks; made when it is missing.

    It is `postgres` in the data directory; for root that may be a link to where the server's user gets to.
    """
    place = data_dir.absolute() / "postgres"
    if not place.exists():
        make_data_dir(data_dir)
        _make_home(place, say)
    return place.resolve()


def owner_of(home: Path) -> User:
    """Whom the server of this folder runs as; EmbeddedError when we can't start it for them."""
    uid = home.stat().st_uid
    if uid == 0:
        raise EmbeddedError(
            f"{home} belongs to root, and PostgreSQL does not run as root: remove or chown it"
        )
    if os.geteuid() not in (0, uid):
        raise EmbeddedError(f"{home} belongs to another user (uid {uid}): run as that user")
    return User(uid, pwd.getpwuid(uid).pw_gid if os.geteuid() == 0 else os.getegid())


def _make_home(place: Path, say: Callable[[str], None]) -> None:
    if place.is_symlink():
        raise EmbeddedError(f"{place} leads to {place.readlink()}, which is gone: restore or remove it")
    user = _new_owner()
    if user.reaches(place):
        _make_folder(place, user)
        return
    SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    target = Path(tempfile.mkdtemp(prefix="postgres-", dir=SYSTEM_FOLDER))
    user.own(target)
    try:
        place.symlink_to(target)
    except FileExistsError:
        target.rmdir()  # another process was here first
        return
    sync_folder(place.parent)
    say(f"PostgreSQL can't run as root, and user nobody can't reach {place.parent}: its data is in {target}")


def _new_owner() -> User:
    if os.geteuid():
        return User(os.geteuid(), os.getegid())
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError("PostgreSQL does not run as root, and there is no user `nobody`") from None
    return User(nobody.pw_uid, nobody.pw_gid)


def _make_folder(path: Path, user: User) -> None:
    """Make a 0700 folder of this user in one step, however many processes try."""
    new = Path(tempfile.mkdtemp(prefix=f"{path.name}.", dir=path.parent))
    user.own(new)
    try:
        new.rename(path)
    except OSError:
        new.rmdir()
        if not path.is_dir():
            raise
    sync_folder(path.parent)


def socket_folder(home: Path, user: User) -> Path:
    """A 0700 folder of the server's user with a short path, made when it is missing."""
    name = f"ledgerline-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    temporary = Path("/tmp").resolve()  # noqa: S108 - any user can make this name, so what is found is checked
    candidates = [home / "socket", Path(tempfile.gettempdir()).resolve() / name, temporary / name]
    for folder in candidates:
        if _fits(folder) and user.reaches(folder):
            if not folder.exists():
                _make_folder(folder, user)
            _must_be_private(folder, user)
            return folder
    raise EmbeddedError(f"no place for the server's socket: tried {', '.join(map(str, candidates))}")


def _fits(folder: Path) -> bool:
    path = f"{folder}/.s.PGSQL.5432.lock"
    return len(os.fsencode(path)) < LONGEST_SOCKET and re.fullmatch(r"[\w./-]+", path, re.ASCII) is not None


def _must_be_private(folder: Path, user: User) -> None:
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
    if not private or found.st_uid != user.uid:
        raise EmbeddedError(f"{folder} must be a folder of uid {user.uid} with mode 0700: remove it")
