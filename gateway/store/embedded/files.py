"""Files that outlast a loss of power and are the same for every process that asks."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def secret(path: Path, text: str) -> str:
    """The text kept in a 0600 file: `text` when there was none. Any number of processes get the same."""
    if not path.exists():
        descriptor, new = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(new, path)  # whole or not at all, and never over another's
        finally:
            Path(new).unlink()
        sync_folder(path.parent)
    return path.read_text().strip()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
