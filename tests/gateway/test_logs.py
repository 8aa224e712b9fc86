"""What is logged when somebody else decides how often."""

from __future__ import annotations

import itertools

from structlog.testing import capture_logs

from gateway.logs import Sparing


def test_the_same_warning_is_logged_once_in_a_while_and_counted_meanwhile() -> None:
    seconds = itertools.count(0, 0.4)
    log = Sparing(1.0, monotonic=lambda: next(seconds))
    with capture_logs() as logged:
        for _ in range(7):
            log.warning("callback not stored", result="unsigned")
        log.warning("callback not stored", result="too_large")
    assert [(one["result"], one["unsaid"]) for one in logged] == [
        ("unsigned", 0),
        ("unsigned", 2),
        ("unsigned", 2),
        ("too_large", 0),
    ]
