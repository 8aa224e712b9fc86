"""The sandbox: a simulator of the WhatsApp Business API, spoken to over HTTP only.

An oracle: it knows WhatsApp's rules by itself and imports nothing of the gateway's decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LINE: Final = "106540352242922"
DISPLAY_PHONE_NUMBER: Final = "15550783881"
WABA: Final = "102290129340398"
API_KEY: Final = "sandbox-key"
APP_SECRET: Final = "sandbox-app-secret"  # noqa: S105 - published: the sandbox has no account to protect
VERIFY_TOKEN: Final = "sandbox-verify-token"  # noqa: S105 - published as well
ACCESS_TOKEN: Final = "sandbox-access-token"  # noqa: S105 - published as well

SETTINGS: Final[Mapping[str, Any]] = {
    "lines": (LINE,),
    "waba": WABA,
    "access_token": ACCESS_TOKEN,
    "app_secrets": (APP_SECRET,),
    "verify_token": VERIFY_TOKEN,
    "destinations_private": ("127.0.0.0/8", "::1/128"),
    "api_keys": (f"sandbox:{API_KEY}:send+read+content+admin",),
}
"""The gateway's settings with the simulator as its account."""


def variables(url: str) -> Mapping[str, str]:
    """The same for a gateway of its own, as variables; `url`: where the simulator listens."""
    texts = {name: value if isinstance(value, str) else ",".join(value) for name, value in SETTINGS.items()}
    return {f"LEDGERLINE_{name.upper()}": text for name, text in (texts | {"upstream_url": url}).items()}
