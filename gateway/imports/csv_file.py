"""A CSV file that somebody hands over, in UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from domain import csv_rows
from domain.csv_rows import Cells, UnreadableError


def rows(
    path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()
) -> Iterator[tuple[int, Cells | str]]:
    """As `domain.csv_rows.rows`, of a file. Raises UnreadableError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv_rows.rows(file, columns, optional=optional)
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{path}: is not UTF-8; save it as CSV UTF-8") from None
