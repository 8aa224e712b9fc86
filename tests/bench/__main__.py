"""`make bench`: what the gateway costs beside yardsticks, all in one run.

The machine is never idle and never the same: read the ratios, not the figures. Each pair runs in turns, and
medians are quoted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from gateway.store.embedded import Embedded, master_key
from tests.bench import appends, feed, flood, load
from tests.bench.bare import SECRET

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
LINE = "106540352242922"
CALLERS = int(os.environ.get("BENCH_CALLERS", "32"))


def main() -> None:
    """Run every comparison and print the table."""
    asyncio.run(_main())


async def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="ledgerline-bench-") as folder:
        print(f"{'medians of ' + str(ROUNDS):44} {'gateway':>12} {'yardstick':>12}    ratio")
        server = await Embedded.start(Path(folder), say=lambda _: None)
        try:
            await appends.compare(server.url, rounds=ROUNDS, scale=SCALE, say=_row)
            environment = _environment(server.url, master_key(Path(folder)))
            await asyncio.to_thread(_webhooks, environment)
            await asyncio.to_thread(_relay, environment)
            await asyncio.to_thread(_readers, environment)
            await asyncio.to_thread(_flood, environment)
        finally:
            await server.stop()


def _row(name: str, ours: float, theirs: float, aim: float) -> None:
    ratio = ours / theirs
    print(f"{name:44} {ours:10,.0f}/s {theirs:10,.0f}/s   {ratio:6.2f}   aim {aim:g}", flush=True)


def _webhooks(environment: dict[str, str]) -> None:
    with _gateway(environment, _port()) as ours, _bare("webhook") as bare:
        for size, amount in ((1, 6_000), (20, 600)):
            make = _callbacks(size)
            load.rate(ours, list(make(int(amount * SCALE))), CALLERS)  # every person is known from here on
            pairs = [
                (
                    load.rate(ours, list(make(int(amount * SCALE))), CALLERS),
                    load.rate(bare, list(make(int(amount * SCALE))), CALLERS),
                )
                for _ in range(ROUNDS)
            ]
            name = f"webhooks of {size} status{'es' if size > 1 else ''} / bare handler"
            _row(name, *_medians(pairs), 0.5)


def _relay(environment: dict[str, str]) -> None:
    port = _port()
    with _bare_upstream() as upstream:
        environment = environment | {"LEDGERLINE_UPSTREAM_URL": f"http://127.0.0.1:{upstream}"}
        with _gateway(environment, port) as ours, _bare("relay", upstream) as bare:
            load.rate(ours, _sends(), CALLERS)
            pairs = [
                (load.rate(ours, _sends(), CALLERS), load.rate(bare, _sends(), CALLERS))
                for _ in range(ROUNDS)
            ]
            _row("relayed sends (template) / bare relay", *_medians(pairs), 0.6)


def _readers(environment: dict[str, str]) -> None:
    with _gateway(environment, _port()) as ours:
        make = _callbacks(1)
        load.rate(ours, list(make(int(3_000 * SCALE))), CALLERS)

        def rate() -> float:
            return load.rate(ours, list(make(int(6_000 * SCALE))), CALLERS)

        pairs = [feed.with_and_without(ours, rate) for _ in range(ROUNDS)]
        _row("webhooks, 50 feed readers asleep / none", *_medians(pairs), 1)


def _flood(environment: dict[str, str]) -> None:
    with _gateway(environment, _port()) as ours:
        make = _callbacks(1)
        load.rate(ours, list(make(int(3_000 * SCALE))), CALLERS)

        def rate() -> float:
            return load.rate(ours, list(make(int(6_000 * SCALE))), CALLERS)

        pairs = [flood.with_and_without(ours, rate) for _ in range(ROUNDS)]
        _row("webhooks among as many forged / alone", *_medians(pairs), 0.5)


def _medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(ours for ours, _ in pairs), statistics.median(theirs for _, theirs in pairs)


def _callbacks(size: int) -> Callable[[int], Iterator[bytes]]:
    def make(amount: int) -> Iterator[bytes]:
        for _ in range(amount):
            statuses = [_status() for _ in range(size)]
            value = {
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": "15550100001", "phone_number_id": LINE},
                "statuses": statuses,
            }
            entry = {"id": "102000000000001", "changes": [{"field": "messages", "value": value}]}
            body = orjson.dumps({"object": "whatsapp_business_account", "entry": [entry]})
            signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
            yield load.post("/webhooks/whatsapp", body, X_Hub_Signature_256=signature)

    return make


def _status() -> dict[str, object]:
    person = secrets.randbelow(1_000)
    return {
        "id": f"wamid.{secrets.token_urlsafe(32)}",
        "status": "delivered",
        "timestamp": str(int(time.time())),
        "recipient_id": f"44770090{person:04d}",
        "recipient_user_id": f"GB.77009{person:04d}",
        "pricing": {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"},
    }


def _sends() -> list[bytes]:
    def one() -> bytes:
        body = {
            "messaging_product": "whatsapp",
            "to": f"+44770090{secrets.randbelow(1_000):04d}",
            "type": "template",
            "template": {"name": "order_update", "language": {"code": "en_GB"}},
        }
        path = f"/v26.0/{LINE}/messages"
        return load.post(path, orjson.dumps(body), Authorization="Bearer bench-key")

    return [one() for _ in range(int(3_000 * SCALE))]


def _environment(database_url: str, key: str) -> dict[str, str]:
    return os.environ | {
        "LEDGERLINE_DATABASE_URL": database_url,
        "LEDGERLINE_MASTER_KEY": key,
        "LEDGERLINE_ACCESS_TOKEN": "token",
        "LEDGERLINE_LINES": LINE,
        "LEDGERLINE_APP_SECRETS": SECRET.decode(),
        "LEDGERLINE_VERIFY_TOKEN": "bench",
        "LEDGERLINE_API_KEYS": "bench:bench-key:send+read",
        "LEDGERLINE_TIME_ZONE": "UTC",
    }


@contextlib.contextmanager
def _gateway(environment: dict[str, str], port: int) -> Iterator[int]:
    with _process(
        [f"{Path(sys.executable).parent}/ledgerline", "serve", "--port", str(port)], port, environment
    ):
        yield port


@contextlib.contextmanager
def _bare(what: str, upstream: int | None = None) -> Iterator[int]:
    port = _port()
    more = [str(upstream)] if upstream else []
    with _process(
        [sys.executable, "-m", "tests.bench.bare", what, str(port), *more], port, os.environ.copy()
    ):
        yield port


@contextlib.contextmanager
def _bare_upstream() -> Iterator[int]:
    with _bare("upstream") as port:
        yield port


@contextlib.contextmanager
def _process(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        _until_listening(port, process)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} ended before it listened")


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    main()
