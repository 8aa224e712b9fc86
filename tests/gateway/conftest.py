"""The fixtures of a running gateway (tests/running.py)."""

from running import running, start

__all__ = ["running", "start"]
