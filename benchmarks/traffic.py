"""What goes in: callbacks and sends of a thousand people."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Final

import orjson

from benchmarks import load
from benchmarks.bare import SECRET

LINE: Final = "106540352242922"
SCALE: Final = float(os.environ.get("BENCH_SCALE", "1"))


def callbacks(size: int) -> Callable[[int], Iterator[bytes]]:
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


def sends() -> list[bytes]:
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
