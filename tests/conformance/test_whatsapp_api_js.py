"""Unmodified whatsapp-api-js: its host is fixed, and its `ponyfill.fetch` takes another."""

from __future__ import annotations

from conformance.capabilities import ALSO_RECEIVES, RECEIVES
from conformance.client import Client, in_node, npm_version
from conformance.judged import test_closed, test_nothing_beside, test_offer, test_receive, test_refusal
from conformance.receiving import listening_in_node

__all__ = ["test_closed", "test_nothing_beside", "test_offer", "test_receive", "test_refusal"]

NAME = "whatsapp-api-js"
CLIENT = Client(
    NAME,
    npm_version(NAME),
    in_node("whatsapp_api_js.mjs"),
    offers=(
        *("text", "reply", "callback data", "image", "video", "audio", "voice", "document", "sticker"),
        *("location", "contacts", "reaction", "reaction removed", "buttons", "list"),
        *("link button", "flow", "product", "products"),
        *("catalogue", "location request", "call permission request", "contact request"),
        *("template text", "template that is known", "template named text"),
        *("template amount and date", "template image"),
        *("template video", "template document", "template location", "template product"),
        *("template quick reply", "template link", "template copy code", "template flow"),
        *("template catalogue", "template products", "template offer", "template tap target"),
        *("template carousel", "template code", "broadcast", "read", "typing"),
        *("media upload", "media look-up", "media download", "media delete", "block", "unblock"),
    ),
    # It throws nothing: WhatsApp's answer is what it returns, with `error` in it.
    refusals={
        "refused": {"value": {"error": {"code": 131047, "type": "OAuthException"}}},
        "wrong key": {"value": {"error": {"code": 190}}},
    },
    natively="returns `{ error: { code: 131047, … } }`",
    closed=("QR codes", "calls"),
    closed_report={"value": {"error": {"code": 10}}},
    listening=listening_in_node("receive_whatsapp_api_js.mjs"),
    receives=(*ALSO_RECEIVES, *RECEIVES),
)
