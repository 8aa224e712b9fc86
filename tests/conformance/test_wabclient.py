"""Unmodified wabclient, of the on-premises API: its URL is the gateway, its password an API key."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import requests
from conformance.capabilities import PICTURE
from conformance.client import Attempts, Client, Report, World, in_python, pypi_version
from conformance.judged import test_closed, test_nothing_beside, test_offer, test_refusal
from wabclient import Client as WabClient

__all__ = ["test_closed", "test_nothing_beside", "test_offer", "test_refusal"]


def attempts(world: World) -> Attempts:
    """Everything wabclient offers of what the gateway serves."""
    with requests.Session() as session:
        client = WabClient(world.url, session=session)
        yield "wrong key", lambda: WabClient(world.url).config.login("admin", "wrong")
        yield "log in", lambda: client.config.login("admin", world.key)[0]
        yield "refused", lambda: client.send_message(world.bob, "On its way.")
        for name, work in messages(client, world).items():
            yield name, lambda work=work: work()["messages"][0]["id"]
        yield (
            "check contacts",
            lambda: [one["wa_id"] for one in client.check_contacts([f"+{world.ann}"], wait=True)["contacts"]],
        )
        yield "not a number", lambda: client.get_address("soon")
        held: dict[str, str] = {}

        def upload() -> str:
            held["id"] = client.connection.upload_media(BytesIO(PICTURE), "image/png")
            return held["id"]

        yield "media upload", upload
        yield (
            "media download",
            lambda: hashlib.sha256(client.download_media(held["id"])[1].read()).hexdigest(),
        )
        yield from closed(client)
        yield "health", lambda: client.healthcheck()["health"]["gateway_status"]


def closed(client: WabClient) -> Attempts:
    """What the gateway doesn't serve of the old API."""
    yield "groups", client.groups.list
    yield "business profile of the old API", client.config.get_business_profile
    yield "settings of the old API", client.config.get_settings
    yield "backup", lambda: client.create_backup("password")


def messages(client: WabClient, world: World) -> dict[str, Any]:
    """What a person can be sent."""
    ann, file = world.ann, BytesIO(PICTURE)
    named = {"to": ann, "type": "text", "text": {"body": "As it stands."}}
    return {
        "text": lambda: client.send_message(f"+{ann}", "See https://shop.example/", check_address=True),
        "audio": lambda: client.send_audio(ann, "a.mp3", BytesIO(b"sound")),
        "image": lambda: client.send_image(ann, "a.png", file, "A-1042"),
        "document": lambda: client.send_document(ann, "receipt.pdf", BytesIO(b"paper"), "Thanks"),
        "template of the old API": lambda: client.send_hsm(
            world.bob, "8b1f_example", "order_update", "en_GB", [{"default": "A-1042"}]
        ),
        "any message": lambda: client.connection.post("/v1/messages", json=named).json(),
    }


def described(error: Exception) -> Report:
    """The old API's error, in the answer that requests' exception holds."""
    if not isinstance(error, requests.HTTPError):
        return {}
    [first] = error.response.json()["errors"]
    return {"status": error.response.status_code, **first}


CLIENT = Client(
    "wabclient",
    pypi_version("wabclient"),
    in_python(attempts, described),
    offers=(
        *("text", "image", "audio", "document", "template of the old API", "any message", "log in"),
        *("check contacts", "media upload", "media download", "health"),
    ),
    refusals={
        "refused": {"raised": {"class": "HTTPError", "status": 400, "code": 470}},
        "wrong key": {"raised": {"class": "HTTPError", "status": 401, "code": 1005}},
        "not a number": {"raised": {"class": "AddressException"}},
    },
    natively="raises `requests.HTTPError`; its `response` has `errors[0].code` 470",
    closed=("groups", "business profile of the old API", "settings of the old API", "backup"),
    closed_report={"raised": {"class": "HTTPError", "status": 404, "code": 1006}},
)
