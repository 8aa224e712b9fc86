"""Unmodified heyoo: its three addresses are the gateway's."""

from __future__ import annotations

import gc
import hashlib
import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.capabilities import PICTURE
from conformance.client import Attempts, Client, Report, World, in_python, pypi_version
from conformance.judged import test_nothing_beside, test_offer, test_receive, test_refusal
from conformance.receiving import listening_in_python
from heyoo import WhatsApp

__all__ = ["test_nothing_beside", "test_offer", "test_receive", "test_refusal"]

SHOP = "https://shop.example"


def heyoo_at(world: World, key: str) -> WhatsApp:
    """A client whose addresses point at the gateway."""
    client = WhatsApp(token=key, phone_number_id=world.line)
    client.base_url = f"{world.url}/v14.0"
    client.v15_base_url = f"{world.url}/v15.0"
    client.url = f"{client.base_url}/{world.line}/messages"
    return client


def attempts(world: World) -> Attempts:
    """Everything heyoo offers, with what is judged of its answers."""
    wa = heyoo_at(world, world.key)
    yield "refused", lambda: wa.send_message("On its way.", world.bob)
    yield "wrong key", lambda: heyoo_at(world, "wrong").send_message("?", world.ann)
    for name, work in messages(wa, world).items():
        yield name, lambda work=work: work()["messages"][0]["id"]
    for name, parameters in TEMPLATES.items():
        template = "appointment" if name == "template that is known" else "order_update"
        yield (
            name,
            lambda given=parameters, template=template: wa.send_template(
                template, world.bob, given, lang="en_GB"
            )["messages"][0]["id"],
        )
    yield "read", lambda: wa.mark_as_read(world.message)
    yield from media(wa)


def messages(wa: WhatsApp, world: World) -> dict[str, Any]:
    """What a person can be sent."""
    ann = world.ann
    contact = {"name": {"formatted_name": "Bo Shop", "first_name": "Bo"}}
    reply = {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}
    buttons = {"type": "button", "body": {"text": "Which one?"}, "action": {"buttons": [reply]}}
    sections = [{"title": "Days", "rows": [{"id": "monday", "title": "Monday"}]}]
    choice = {"body": "Which one?", "action": {"button": "Choose", "sections": sections}}
    custom = {"messaging_product": "whatsapp", "type": "text", "text": {"body": "As it stands."}}
    return {
        "text": lambda: wa.send_message(f"On its way: {SHOP}", ann),
        "reply": lambda: wa.reply_to_message(world.message, ann, "This one."),
        "image": lambda: wa.send_image(f"{SHOP}/a.png", ann, caption="A-1042"),
        "video": lambda: wa.send_video(f"{SHOP}/a.mp4", ann),
        "audio": lambda: wa.send_audio(f"{SHOP}/a.mp3", ann),
        "document": lambda: wa.send_document(f"{SHOP}/a.pdf", ann, filename="receipt.pdf"),
        "sticker": lambda: wa.send_sticker(f"{SHOP}/a.webp", ann),
        "location": lambda: wa.send_location(51.5, -0.12, "Shop", "High Street", ann),
        "contacts": lambda: wa.send_contacts([contact], ann),
        "reaction": lambda: wa.send_reaction("👍", world.message, ann),
        "buttons": lambda: wa.send_reply_button(buttons, ann),
        "list": lambda: wa.send_button(choice, ann),
        "any message": lambda: wa.send_custom_json(custom, ann),
    }


def _header(kind: str, **content: Any) -> dict[str, Any]:
    return {"type": "header", "parameters": [{"type": kind, kind: content}]}


def _button(sub_type: str, index: int = 0, **parameter: Any) -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": [parameter]}


def _body(*parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "body", "parameters": list(parameters)}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


_MONEY = {"fallback_value": "£9", "code": "GBP", "amount_1000": 9000}
_DATE = {"type": "date_time", "date_time": {"fallback_value": "Monday"}}
TEMPLATES: dict[str, list[Any]] = {
    "template text": [_body(_text("A-1042"))],
    "template that is known": [
        _body(_text("Ann"), _text("Monday")),
        _button("url", 1, type="text", text="A-1042"),
    ],
    "template named text": [_body(_text("A-1042") | {"parameter_name": "order"})],
    "template amount and date": [_body({"type": "currency", "currency": _MONEY}, _DATE)],
    "template image": [_header("image", link=f"{SHOP}/a.png")],
    "template video": [_header("video", link=f"{SHOP}/a.mp4")],
    "template document": [_header("document", link=f"{SHOP}/a.pdf")],
    "template location": [_header("location", latitude=51.5, longitude=-0.12, name="Shop")],
    "template quick reply": [_button("quick_reply", type="payload", payload="yes")],
    "template link": [_button("url", type="text", text="A-1042")],
    "template copy code": [_button("copy_code", type="coupon_code", coupon_code="SPRING")],
    "template flow": [_button("flow", type="action", action={"flow_token": "t"})],
}
"""Its users write the components themselves."""


def media(wa: WhatsApp) -> Attempts:
    """A file's life."""
    held: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as directory:
        picture, fetched = Path(directory) / "a.png", Path(directory) / "fetched"
        picture.write_bytes(PICTURE)

        def upload() -> str:
            with warnings.catch_warnings(action="ignore", category=ResourceWarning):
                uploaded = wa.upload_media(str(picture))  # heyoo leaves the file open
                gc.collect()
            held["id"] = (uploaded or {})["id"]
            return held["id"]

        def look_up() -> str:
            held["url"] = str(wa.query_media_url(held["id"]))
            return held["url"]

        def download() -> str:
            path = wa.download_media(held["url"], "image/png", str(fetched))
            return hashlib.sha256(Path(str(path)).read_bytes()).hexdigest()

        yield "media upload", upload
        yield "media look-up", look_up
        yield "media download", download
        yield "media delete", lambda: wa.delete_media(held["id"])


def described(_error: Exception) -> Report:
    """It raises nothing of its own."""
    return {}


def take(body: bytes, _signature: str | None) -> tuple[int, list[Mapping[str, Any]]]:
    """What a web framework's handler does with heyoo, which checks no signature."""
    wa, data = WhatsApp(), json.loads(body)
    if not wa.is_message(data):
        status = wa.preprocess(data)["statuses"][0]
        return 200, [{"id": status["id"], "detail": wa.get_delivery(data)}]
    kind = wa.get_message_type(data)
    read = {
        "text": lambda: wa.get_message(data),
        "image": lambda: wa.get_image(data)["id"],
        "audio": lambda: wa.get_audio(data)["id"],
        "video": lambda: wa.get_video(data)["id"],
        "document": lambda: wa.get_document(data)["id"],
        "location": lambda: wa.get_location(data)["latitude"],
        "interactive": lambda: answered(wa.get_interactive_response(data) or {}),
    }
    return 200, [{"id": wa.get_message_id(data), "detail": read[kind]()}]


def answered(interactive: dict[str, Any]) -> str:
    chosen = interactive.get("button_reply") or interactive.get("list_reply")
    return chosen["id"] if chosen else json.loads(interactive["nfm_reply"]["response_json"])["flow_token"]


CLIENT = Client(
    "heyoo",
    pypi_version("heyoo"),
    in_python(attempts, described),
    offers=(
        *("text", "reply", "image", "video", "audio", "document", "sticker", "location", "contacts"),
        *("reaction", "buttons", "list", "any message", *TEMPLATES, "read"),
        *("media upload", "media look-up", "media download", "media delete"),
    ),
    # WhatsApp's answer is what it returns, whatever it is.
    refusals={
        "refused": {"value": {"error": {"code": 131047, "type": "OAuthException"}}},
        "wrong key": {"value": {"error": {"code": 190}}},
    },
    natively='returns `{"error": {"code": 131047, …}}`',
    listening=listening_in_python(take, None),
    note="heyoo checks no signature.",
    receives=(
        *("batch of ten", "text", "emoji and umlauts", "image", "voice", "video", "document"),
        *("location", "button", "list choice", "flow answer", "delivered", "read"),
    ),
)
