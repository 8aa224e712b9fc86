"""The fixtures of a running gateway, and a destination."""

from __future__ import annotations

from running import running, start
from sinks import hook

__all__ = ["hook", "running", "start"]
