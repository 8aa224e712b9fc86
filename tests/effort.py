"""How long the searching tests search."""

from __future__ import annotations

import os


def examples(few: int) -> int:
    """How many examples to try: a few in the suite, FUZZ times as many in `make fuzz`."""
    return few * int(os.environ.get("FUZZ", "1"))
