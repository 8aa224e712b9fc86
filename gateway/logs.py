"""Structured logs without personal data or secrets.

What is logged are words of ours, counts, positions, ids of sends and names of callers and routes. Errors are
logged by class, never by text: the text of an error may quote what a customer wrote.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

get_logger = structlog.get_logger

AGAIN: Final = 60.0
"""Seconds until a warning is logged again that every try of a task repeats."""
_OURS: Final = ("gateway", "projections")
_OF_ANY_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure(*, pretty: bool) -> None:
    """Log to standard error: coloured lines for a person, JSON lines for a machine."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.captureWarnings(True)  # noqa: FBT003 - aiohttp's may quote the name of a file
    logging.basicConfig(handlers=[_ByClassOnly()], level=logging.WARNING, force=True)


class Sparing:
    """A warning that a stranger can cause as often as they like: logged once in a while, the rest counted."""

    def __init__(self, every: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`every`: seconds between two lines of the same fields."""
        self._every = every
        self._monotonic = monotonic
        self._last: dict[tuple[object, ...], float] = {}
        self._unsaid: Counter[tuple[object, ...]] = Counter()

    def warning(self, event: str, **fields: object) -> None:
        """Log, or count; `unsaid` is how many of the same were only counted before."""
        same, now = (event, *fields.values()), self._monotonic()
        if now - self._last.get(same, -math.inf) < self._every:
            self._unsaid[same] += 1
            return
        self._last[same] = now
        get_logger().warning(event, **fields, unsaid=self._unsaid.pop(same, 0))


class _ByClassOnly(logging.Handler):
    """What libraries log comes through as logger, level and error class; their texts may quote anything.

    The packages that know no structlog log words of ours, with fields: these come through as they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sparing = Sparing(AGAIN)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in _OURS:
            fields = {name: value for name, value in vars(record).items() if name not in _OF_ANY_RECORD}
            if record.levelno > logging.WARNING:
                get_logger().error(record.getMessage(), **fields)
            else:
                self._sparing.warning(record.getMessage(), **fields)
            return
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        get_logger().warning("library", logger=record.name, level=record.levelname, error=error)


def where(error: BaseException) -> str:
    """File and line an error came from, for a log that must not show its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
