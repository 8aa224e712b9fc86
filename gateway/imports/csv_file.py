"""A CSV file that somebody hands over: UTF-8 with a header, its columns in any order."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

Cells = Mapping[str, str]


class UnreadableError(Exception):
    """The file as a whole can't be read; the text says why, and quotes nothing of it."""


class _Reader(Iterator[list[str]], Protocol):
    @property
    def line_num(self) -> int: ...


def rows(
    path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()
) -> Iterator[tuple[int, Cells | str]]:
    """The number of each line that holds something, and its cells by column, or what is wrong with it.

    Raises UnreadableError, at a broken quote perhaps only after some lines.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _rows(csv.reader(file, strict=True), columns, optional)
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{path}: is not UTF-8; save it as CSV UTF-8") from None


def _rows(
    reader: _Reader, columns: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, Cells | str]]:
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if sorted(set(header).difference(optional)) != sorted(columns) or len(set(header)) < len(header):
            wanted = f"; {', '.join(optional)} where wanted" if optional else ""
            raise UnreadableError(
                f"line 1: must be the header {','.join(columns)}, with commas between{wanted}"
            )
        for row in reader:
            if len(row) == len(header):
                cells = dict(zip(header, (text.strip() for text in row), strict=True))
                yield reader.line_num, cells
            elif row:
                yield reader.line_num, f"has {len(row)} columns, not {len(header)}"
    except csv.Error as error:
        raise UnreadableError(f"line {reader.line_num}: is no CSV ({error})") from None
