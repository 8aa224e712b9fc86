"""A PostgreSQL server for one run, which leaves nothing behind."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from gateway.store.embedded import Embedded, master_key


@asynccontextmanager
async def server(purpose: str) -> AsyncIterator[tuple[str, str]]:
    """Its URL, and a master key."""
    with _folder(purpose) as folder:
        started = await Embedded.start(folder, say=lambda _: None)
        try:
            yield started.url, master_key(folder)
        finally:
            await started.stop()


@contextmanager
def _folder(purpose: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"ledgerline-{purpose}-") as folder:
        # Root's server runs as somebody else, whose files would have to lie where nobody removes them.
        Path(folder).chmod(0o711)
        yield Path(folder)
