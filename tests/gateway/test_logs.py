"""What is logged when somebody else decides how often."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.logs import Sparing, configure


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


@pytest.fixture
def _configured() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure(pretty=False)
    yield
    root.handlers[:], root.level = before
    logging.captureWarnings(False)  # noqa: FBT003 - the library's own signature
    structlog.reset_defaults()


@pytest.mark.usefixtures("_configured")
def test_what_the_store_and_the_projections_log_says_what_happened_and_where() -> None:
    with capture_logs() as logged:
        logging.getLogger("projections.runner").error(
            "event not folded", extra={"projection": "window_v2", "position": 7, "error": "KeyError"}
        )
        logging.getLogger("gateway.store.writer").warning("the log can't be reached: %s", "OSError")
    assert logged == [
        {
            "event": "event not folded",
            "log_level": "error",
            "projection": "window_v2",
            "position": 7,
            "error": "KeyError",
        },
        {"event": "the log can't be reached: OSError", "log_level": "warning", "unsaid": 0},
    ]


@pytest.mark.usefixtures("_configured")
def test_a_task_that_tries_again_and_again_does_not_fill_the_log() -> None:
    with capture_logs() as logged:
        for _ in range(9):
            logging.getLogger("projections.runner").warning("projection waits", extra={"projection": "a"})
        logging.getLogger("projections.runner").warning("projection waits", extra={"projection": "b"})
    assert [one["projection"] for one in logged] == ["a", "b"]


@pytest.mark.usefixtures("_configured")
def test_a_library_is_logged_without_its_words() -> None:
    with capture_logs() as logged:
        logging.getLogger("aiohttp.server").error("Error handling request of %s", "447700900123")
    assert logged == [
        {
            "event": "library",
            "log_level": "warning",
            "logger": "aiohttp.server",
            "level": "ERROR",
            "error": None,
        }
    ]
