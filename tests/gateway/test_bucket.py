"""The leaky bucket: nobody waits who comes seldom, and a flood is answered at its rate."""

from __future__ import annotations

import pytest

from gateway.bucket import BURST, LONGEST, Bucket


def test_who_comes_seldom_never_waits() -> None:
    seconds = iter(range(100))
    bucket = Bucket(2, monotonic=lambda: float(next(seconds)))

    assert [bucket.wait() for _ in range(100)] == [0.0] * 100


def test_callers_that_come_again_at_once_are_answered_at_the_rate() -> None:
    now = 0.0
    bucket, answered = Bucket(50, monotonic=lambda: now), []
    for _ in range(500):
        now += bucket.wait()
        answered.append(now)

    assert answered[-1] == pytest.approx(500 / 50 - BURST, abs=0.1)


def test_nobody_waits_longer_than_the_longest() -> None:
    bucket = Bucket(10, monotonic=lambda: 5.0)
    waits = [bucket.wait() for _ in range(1_000)]

    assert max(waits) == LONGEST
    assert waits == sorted(waits)
