from __future__ import annotations

import pytest

from domain.csv_rows import rows


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (['# "a", and "b" of it', "a,b", "1,2"], [(3, {"a": "1", "b": "2"})]),
        (["a,b", '# of x,"the rest', "1,2"], [(3, {"a": "1", "b": "2"})]),
        (["a,b", '"#1",2', "# 3,4"], [(2, {"a": "#1", "b": "2"})]),
        (
            ["a,b", '"1', '# 2",3', "#", "", "4,5"],
            [(3, {"a": "1\n# 2", "b": "3"}), (6, {"a": "4", "b": "5"})],
        ),
    ],
    ids=["quotes in a comment", "an open quote in a comment", "a quoted cell", "inside of a cell"],
)
def test_a_comment_is_a_line_and_no_cell(lines: list[str], found: list[tuple[int, object]]) -> None:
    assert list(rows((f"{line}\n" for line in lines), ("a", "b"))) == found
