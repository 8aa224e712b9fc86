"""Unmodified @whatsapp-cloudapi/client: `baseUrl` of each call is the gateway."""

from __future__ import annotations

from conformance.capabilities import Told
from conformance.client import Client, in_node, npm_version
from conformance.judged import test_nothing_beside, test_offer, test_refusal

__all__ = ["test_nothing_beside", "test_offer", "test_refusal"]

NAME = "@whatsapp-cloudapi/client"
CLIENT = Client(
    NAME,
    npm_version(NAME),
    in_node("cloudapi_client.mjs"),
    offers=(
        *("text", "callback data", "image", "buttons", "list", "link button", "flow"),
        *("template text", "template that is known", "template named text"),
        *("template amount and date", "template image"),
        *("template video", "template document", "template location", "template quick reply"),
        *("template link", "read", "typing", "media upload"),
    ),
    # Its error is a text with WhatsApp's JSON in it: the code can only be read there.
    refusals={
        "refused": {"raised": {"class": "Error", "message": Told("WhatsApp API Error: {", '"code":131047')}},
        "wrong key": {"raised": {"class": "Error", "message": Told('"code":190')}},
    },
    natively="throws `Error`; its message ends with WhatsApp's JSON, `code` 131047",
)
