"""Unmodified pywa: its HTTP session's base URL is the gateway."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from conformance.capabilities import ALSO_RECEIVES, PICTURE, RECEIVES
from conformance.client import Attempts, Client, Report, World, in_python, pypi_version
from conformance.judged import test_closed, test_nothing_beside, test_offer, test_receive, test_refusal
from conformance.receiving import SECRET, VERIFY_TOKEN, listening_in_python
from pywa import WhatsApp, types
from pywa.errors import WhatsAppError
from pywa.types import templates as t

from gateway.sandbox import LINE

__all__ = ["test_closed", "test_nothing_beside", "test_offer", "test_receive", "test_refusal"]

SHOP = "https://shop.example"
AUDIO = f"{SHOP}/a.mp3"


def attempts(world: World) -> Attempts:
    """Everything pywa offers, with what is judged of its answers."""
    with httpx.Client() as session:
        wa = WhatsApp(phone_id=world.line, token=world.key, waba_id=world.account, session=session)
        session.base_url = f"{world.url}/v26.0"
        yield "refused", lambda: wa.send_message(world.bob, "On its way.").id
        yield "wrong key", lambda: with_wrong_key(world)
        for name, work in {**messages(wa, world), **interactive(wa, world)}.items():
            yield name, lambda work=work: work().id
        for name, parameters in template_parameters().items():
            yield (
                name,
                lambda given=parameters: (
                    wa.send_template(world.bob, "order_update", t.TemplateLanguage.ENGLISH_UK, given).id
                ),
            )
        yield (
            "template that is known",
            lambda: (
                wa.send_template(
                    world.bob,
                    "appointment",
                    t.TemplateLanguage.ENGLISH_UK,
                    [t.BodyText.params("Ann", "Monday"), t.URLButton.params(url_variable="A-1042", index=1)],
                ).id
            ),
        )
        yield (
            "template code",
            lambda: (
                wa.send_template(
                    world.bob,
                    "login_code",
                    t.TemplateLanguage.ENGLISH_UK,
                    [t.AuthenticationBody.params(otp="123456"), t.CopyCodeOTPButton.params(otp="123456")],
                ).id
            ),
        )
        yield (
            "marketing message",
            lambda: (
                wa.send_template(
                    world.bob, "winter_sale", t.TemplateLanguage.ENGLISH_UK, [], use_mm_lite_api=True
                ).id
            ),
        )
        yield from closed(wa)
        yield "read", lambda: wa.mark_message_as_read(world.message).success
        yield "typing", lambda: wa.indicate_typing(world.message).success
        yield from media(wa)
        yield from management(wa, world)


def with_wrong_key(world: World) -> Any:
    with httpx.Client() as session:
        wa = WhatsApp(world.line, "wrong", session=session)
        session.base_url = f"{world.url}/v26.0"
        return wa.send_message(world.ann, "?")


def messages(wa: WhatsApp, world: World) -> dict[str, Any]:
    """What a person can be sent."""
    ann, ours = world.ann, world.message
    contact = types.Contact(
        name=types.Contact.Name(formatted_name="Bo Shop", first_name="Bo"),
        phones=[types.Contact.Phone(phone="+44 7700 900456")],
    )
    return {
        "text": lambda: wa.send_message(ann, f"On its way: {SHOP}", preview_url=True),
        "reply": lambda: wa.send_message(ann, "This one.", reply_to_message_id=ours),
        "callback data": lambda: wa.send_message(ann, "Noted.", tracker="order-A-1042"),
        "image": lambda: wa.send_image(ann, f"{SHOP}/a.png", caption="A-1042"),
        "video": lambda: wa.send_video(ann, f"{SHOP}/a.mp4"),
        "audio": lambda: wa.send_audio(ann, AUDIO),
        "voice": lambda: wa.send_voice(ann, f"{SHOP}/a.ogg"),
        "document": lambda: wa.send_document(ann, f"{SHOP}/a.pdf", filename="receipt.pdf"),
        "sticker": lambda: wa.send_sticker(ann, f"{SHOP}/a.webp"),
        "location": lambda: wa.send_location(ann, 51.5, -0.12, "Shop", "High Street"),
        "contacts": lambda: wa.send_contact(ann, contact),
        "reaction": lambda: wa.send_reaction(ann, "👍", ours),
        "reaction removed": lambda: wa.remove_reaction(ann, ours),
    }


def interactive(wa: WhatsApp, world: World) -> dict[str, Any]:
    """What a person can answer with a tap."""
    ann = world.ann
    rows = types.SectionList("Choose", [types.Section("Days", [types.SectionRow("Monday", "monday")])])
    flow = types.FlowButton(
        title="Book", flow_id="1", flow_action_type=types.FlowActionType.NAVIGATE, flow_action_screen="FIRST"
    )
    card = types.ImageCarouselCard(image=f"{SHOP}/a.png", buttons=types.URLButton("Open", SHOP))
    ask = "Which one?"
    return {
        "buttons": lambda: wa.send_message(ann, ask, buttons=[types.Button("Yes", "yes")]),
        "list": lambda: wa.send_message(ann, ask, buttons=rows),
        "link button": lambda: wa.send_message(ann, ask, buttons=types.URLButton("Open", SHOP)),
        "flow": lambda: wa.send_message(ann, ask, buttons=flow),
        "call button": lambda: wa.send_message(ann, ask, buttons=types.VoiceCallButton("Call")),
        "call permission request": lambda: wa.send_message(
            ann, ask, buttons=types.CallPermissionRequestButton()
        ),
        "product": lambda: wa.send_product(ann, "1", "A", ask),
        "products": lambda: wa.send_products(ann, "1", [types.ProductsSection("All", ["A"])], "Ours", ask),
        "catalogue": lambda: wa.send_catalog(ann, ask, thumbnail_product_sku="A"),
        "carousel": lambda: wa.send_carousel(ann, body=ask, cards=[card, card]),
        "location request": lambda: wa.request_location(ann, "Where?"),
        "contact request": lambda: wa.request_contact_info(ann, ask),
    }


def template_parameters() -> dict[str, list[Any]]:
    """Every kind of component."""
    money = t.Currency(fallback_value="£9", code="GBP", amount_1000=9000)
    section = types.ProductsSection("All", ["A"])
    until = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    image = t.HeaderImage.params(image=f"{SHOP}/a.png")
    text = t.BodyText.params("A-1042")
    products = t.MPMButton.params(product_sections=[section], thumbnail_product_sku="A", index=0)
    return {
        "template text": [t.HeaderText.params("Hello"), text],
        "template named text": [t.BodyText.params(order="A-1042")],
        "template amount and date": [t.BodyText.params(money, t.DateTime(fallback_value="Monday"))],
        "template image": [image],
        "template video": [t.HeaderVideo.params(video=f"{SHOP}/a.mp4")],
        "template document": [t.HeaderDocument.params(document=f"{SHOP}/a.pdf", filename="receipt.pdf")],
        "template location": [t.HeaderLocation.params(lat=51.5, lon=-0.12, name="Shop", address="Street")],
        "template product": [t.HeaderProduct.params(catalog_id="1", sku="A")],
        "template quick reply": [t.QuickReplyButton.params(callback_data="yes", index=0)],
        "template link": [t.URLButton.params(url_variable="A-1042", index=0)],
        "template copy code": [t.CopyCodeButton.params(coupon_code="SPRING", index=0)],
        "template flow": [t.FlowButton.params(index=0, flow_token="t")],
        "template catalogue": [t.CatalogButton.params(thumbnail_product_sku="A", index=0)],
        "template products": [products],
        "template offer": [t.LimitedTimeOffer.params(expiration_time=until)],
        "template tap target": [t.TapTargetConfiguration("Open", SHOP)],
        "template carousel": [
            t.Carousel.params(cards=[t.CarouselCard.params(params=[image, text], index=0)])
        ],
    }


def closed(wa: WhatsApp) -> Attempts:
    """What the gateway passes on for nobody."""
    yield "QR codes", lambda: list(wa.get_qr_codes())
    yield "groups", lambda: list(wa.get_groups())
    yield "calls", lambda: wa.reject_call("wacid.A")
    yield "number settings", wa.get_business_phone_number_settings
    yield "commerce settings", wa.get_commerce_settings
    yield "callback override", wa.delete_waba_callback_url


def media(wa: WhatsApp) -> Attempts:
    """A file's life."""
    held: dict[str, Any] = {}

    def upload() -> str:
        held["media"] = wa.upload_media(PICTURE, mime_type="image/png", filename="a.png")
        return str(held["media"].id)

    def look_up() -> str:
        held["url"] = wa.get_media_url(held["media"].id).url
        return str(held["url"])

    yield "media upload", upload
    yield "media look-up", look_up
    yield "media download", lambda: hashlib.sha256(wa.get_media_bytes(held["url"])).hexdigest()
    yield "media delete", lambda: wa.delete_media(held["media"].id).success


def management(wa: WhatsApp, world: World) -> Attempts:
    """What concerns the account and its number."""
    yield "phone number", lambda: wa.get_business_phone_number().display_phone_number
    yield "phone numbers", lambda: [one.display_phone_number for one in wa.get_business_phone_numbers()]
    yield "profile", lambda: vars_of(wa.get_business_profile())
    yield "profile change", lambda: wa.update_business_profile(about="Open").success
    yield from templates(wa)
    yield from flows(wa)
    yield "block", lambda: {"added_users": [{"wa_id": wa.block_users([world.ann]).added_users[0].wa_id}]}
    yield "blocked", lambda: [one.wa_id for one in wa.get_blocked_users()]
    yield (
        "unblock",
        lambda: {"removed_users": [{"wa_id": wa.unblock_users([world.ann]).removed_users[0].wa_id}]},
    )
    yield "register", lambda: wa.register_phone_number("123456").success
    yield "deregister", lambda: wa.deregister_phone_number().success


def vars_of(profile: types.BusinessProfile) -> dict[str, Any]:
    return {"about": profile.about, "vertical": profile.industry.value}


def templates(wa: WhatsApp) -> Attempts:
    """A template's life."""
    held: dict[str, Any] = {}
    made = t.Template(
        name="pywa",
        language=t.TemplateLanguage.ENGLISH_UK,
        category=t.TemplateCategory.UTILITY,
        components=[t.BodyText("Hello")],
    )

    def create() -> str:
        held["id"] = (created := wa.create_template(made)).id
        return str(created.status.value)

    changed = [t.BodyText("Good day")]
    yield "templates", lambda: [one.name for one in wa.get_templates(name="appointment")]
    yield "template create", create
    yield "template look-up", lambda: wa.get_template(held["id"]).status.value
    yield "template change", lambda: wa.update_template(held["id"], new_components=changed).success
    yield "template delete", lambda: wa.delete_template("pywa").success


def flows(wa: WhatsApp) -> Attempts:
    """Two flows' lives."""
    held: dict[str, str] = {}

    def create() -> str:
        held["id"] = wa.create_flow("Booking", [types.FlowCategory.APPOINTMENT_BOOKING]).id
        held["draft"] = wa.create_flow("Draft", [types.FlowCategory.OTHER]).id
        return held["id"]

    flow = {"version": "7.0", "screens": []}
    yield "flow create", create
    yield "flow change", lambda: wa.update_flow_metadata(held["draft"], name="Other").success
    yield "flow upload", lambda: bool(wa.update_flow_json(held["id"], flow))
    yield "flow assets", lambda: [one.name for one in wa.get_flow_assets(held["id"])]
    yield "flow publish", lambda: wa.publish_flow(held["id"]).success
    yield "flow look-up", lambda: wa.get_flow(held["id"]).status.value
    yield "flows", lambda: [one.name for one in wa.get_flows()]
    yield "flow deprecate", lambda: wa.deprecate_flow(held["id"]).success
    yield "flow delete", lambda: wa.delete_flow(held["draft"]).success


def described(error: Exception) -> Report:
    """What pywa's own error says."""
    if not isinstance(error, WhatsAppError):
        return {}
    return {"code": error.code, "details": error.details}


def take(body: bytes, signature: str | None) -> tuple[int, list[Mapping[str, Any]]]:
    """What a web framework's handler does with pywa: validate, then handle."""
    seen: list[Mapping[str, Any]] = []
    wa = WhatsApp(phone_id=LINE, token="unused", app_secret=SECRET)
    wa.on_message(lambda _, message: seen.append({"id": message.id, "detail": detail(message)}))
    wa.on_callback_button(lambda _, button: seen.append({"id": button.id, "detail": button.data}))
    wa.on_callback_selection(lambda _, row: seen.append({"id": row.id, "detail": row.data}))
    wa.on_flow_completion(lambda _, flow: seen.append({"id": flow.id, "detail": flow.token}))
    wa.on_message_status(lambda _, status: seen.append({"id": status.id, "detail": status.status.value}))
    wa.on_raw_update(lambda _, update: seen.extend(failures(update)))
    refusal = wa.webhook_update_validator(body, signature)
    return (refusal or wa.webhook_update_handler(body))[1], seen


def detail(message: types.Message) -> Any:
    if message.contacts:
        return message.contacts[0].name.formatted_name
    if message.location:
        return message.location.latitude
    if message.reaction:
        return message.reaction.emoji
    if message.order:
        return message.order.catalog_id
    return message.media.id if message.media else message.text


def failures(update: types.RawUpdate) -> Iterator[Mapping[str, Any]]:
    """Failed statuses, which pywa can't make an object of."""
    for status in update["entry"][0]["changes"][0]["value"].get("statuses", ()):
        if status["status"] == "failed":
            yield {"id": status["id"], "detail": status["errors"][0]["code"]}


def verify(query: Mapping[str, str]) -> tuple[int, str]:
    wa = WhatsApp(phone_id=LINE, token="unused", verify_token=VERIFY_TOKEN)
    text, status = wa.webhook_challenge_handler(query["hub.verify_token"], query["hub.challenge"])
    return status, text or ""


CLIENT = Client(
    "pywa",
    pypi_version("pywa"),
    in_python(attempts, described),
    offers=(
        *("text", "reply", "callback data", "image", "video", "audio", "voice", "document", "sticker"),
        *("location", "contacts", "reaction", "reaction removed", "buttons", "list", "link button", "flow"),
        *("call button", "call permission request", "product", "products", "catalogue", "carousel"),
        *(
            "location request",
            "contact request",
            *template_parameters(),
            "template that is known",
            "template code",
        ),
        *("marketing message", "read", "typing"),
        *("media upload", "media look-up", "media download", "media delete"),
        *("phone number", "phone numbers", "profile", "profile change", "templates", "template create"),
        *("template look-up", "template change", "template delete", "flow create", "flow change"),
        *("flow upload", "flow assets", "flow publish", "flow look-up", "flows", "flow deprecate"),
        *("flow delete", "block", "blocked", "unblock", "register", "deregister"),
    ),
    refusals={
        "refused": {"raised": {"class": "ReEngagementMessage", "code": 131047}},
        "wrong key": {"raised": {"code": 190}},
    },
    natively="raises `pywa.errors.ReEngagementMessage`",
    closed=("QR codes", "groups", "calls", "number settings", "commerce settings", "callback override"),
    closed_report={"raised": {"code": 10}},
    listening=listening_in_python(take, verify),
    receives=(*ALSO_RECEIVES, *RECEIVES),
    note="pywa makes no `MessageStatus` of a failed status, because WhatsApp leaves `contacts` out of these:"
    " `on_raw_update` gets them.",
)
