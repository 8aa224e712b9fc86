"""The soak tells how memory grew, and fails when it is more than a tenth."""

from __future__ import annotations

import pytest

from benchmarks import soak


@pytest.mark.parametrize(
    ("readings", "grown", "code"),
    [
        ([100] * 180, "+0.0%", 0),
        ([50] * 30 + [100] * 150, "+0.0%", 0),  # the warm-up
        ([100] * 160 + [109] * 20, "+9.0%", 0),
        ([100] * 160 + [112] * 20, "+12.0%", 1),
        ([100, *range(100, 280)], "", 1),
        ([200] * 100 + [100] * 80, "-50.0%", 0),
    ],
)
def test_what_grew_by_more_than_a_tenth_ends_with_1(
    readings: list[int], grown: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert soak._judge(readings, 1_000) == code
    assert grown in capsys.readouterr().out
