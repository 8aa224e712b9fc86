"""CSV that somebody hands over: a header with its columns in any order, lines that begin with # aside."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence

Cells = Mapping[str, str]
Row = tuple[int, list[str]]


class UnreadableError(Exception):
    """The text as a whole can't be read; the message says why, and quotes nothing of it."""


def rows(
    lines: Iterable[str], columns: Sequence[str], *, optional: Sequence[str] = ()
) -> Iterator[tuple[int, Cells | str]]:
    """The number of each line that holds something, and its cells by column, or what is wrong with it.

    Raises UnreadableError, at a broken quote perhaps only after some lines.
    """
    filled = _filled(lines)
    number, row = next(filled, (1, []))
    header = [name.strip().lower() for name in row]
    if sorted(set(header).difference(optional)) != sorted(columns) or len(set(header)) < len(header):
        wanted = f"; {', '.join(optional)} where wanted" if optional else ""
        raise UnreadableError(
            f"line {number}: must be the header {','.join(columns)}, with commas between{wanted}"
        )
    for number, row in filled:
        if len(row) == len(header):
            yield number, dict(zip(header, (text.strip() for text in row), strict=True))
        else:
            yield number, f"has {len(row)} columns, not {len(header)}"


def _filled(lines: Iterable[str]) -> Iterator[Row]:
    is_begun = False

    def without_comments() -> Iterator[str]:
        nonlocal is_begun
        for line in lines:
            is_comment, is_begun = not is_begun and line.startswith("#"), True
            yield "\n" if is_comment else line

    reader = csv.reader(without_comments(), strict=True)
    try:
        for row in reader:
            is_begun = False
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise UnreadableError(f"line {reader.line_num}: is no CSV ({error})") from None
