"""Unmodified @kapso/whatsapp-cloud-api: `baseUrl` is the gateway."""

from __future__ import annotations

from conformance.capabilities import RECEIVES
from conformance.client import Client, in_node, npm_version
from conformance.judged import test_closed, test_nothing_beside, test_offer, test_receive, test_refusal
from conformance.receiving import listening_in_node

__all__ = ["test_closed", "test_nothing_beside", "test_offer", "test_receive", "test_refusal"]

NAME = "@kapso/whatsapp-cloud-api"
CLIENT = Client(
    NAME,
    npm_version(NAME),
    in_node("kapso.mjs"),
    offers=(
        *("text", "reply", "callback data", "image", "video", "audio", "voice", "document", "sticker"),
        *("location", "contacts", "reaction", "reaction removed", "any message", "buttons"),
        *("list", "link button", "flow", "product", "products"),
        *("catalogue", "carousel", "location request", "address request", "call permission request"),
        *("template text", "template that is known", "template named text"),
        *("template amount and date", "template image"),
        *("template video", "template document", "template location", "template quick reply"),
        *("template link", "template copy code", "template flow", "template catalogue", "template carousel"),
        *("read", "typing", "media upload", "media look-up", "media download", "media delete"),
        *("profile", "profile change", "templates", "template create", "template delete", "register"),
        *("deregister", "flows", "flow create", "flow upload", "flow publish", "flow look-up"),
        *("flow deprecate",),
    ),
    refusals={
        "refused": {
            "raised": {
                "class": "GraphApiError",
                "code": 131047,
                "category": "reengagementWindow",
                "httpStatus": 400,
            }
        },
        "wrong key": {"raised": {"class": "GraphApiError", "code": 190, "category": "authorization"}},
    },
    natively="throws `GraphApiError`, `category` `reengagementWindow`",
    closed=("calls", "number settings"),
    closed_report={"raised": {"class": "GraphApiError", "code": 10}},
    listening=listening_in_node("receive_kapso.mjs"),
    receives=("wrong signature", "batch of ten", *RECEIVES),
    note="@kapso/whatsapp-cloud-api sends no token when it downloads media, unless told so:"
    ' `auth: "always"`.',
)
