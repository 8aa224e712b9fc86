"""What forged callbacks cost the good ones."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import cycle

from benchmarks import load

CALLERS = 32
FORGED = load.post("/webhooks/whatsapp", b'{"entry":[]}', X_Hub_Signature_256="sha256=" + "0" * 64)


def with_and_without(port: int, rate: Callable[[], float]) -> tuple[float, float]:
    """`rate` among as many callers that forge as fast as they are refused, and right after that alone."""
    with _flood(port) as flooding:
        slowed = rate()
        if flooding.poll() is not None:
            raise RuntimeError("the flood ended before the good callbacks did")
    return slowed, rate()


@contextlib.contextmanager
def _flood(port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.flood", str(port)])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    load.pour(int(sys.argv[1]), cycle([FORGED]), CALLERS)
