// @kapso/whatsapp-cloud-api: every type it offers.
import { WhatsAppClient } from "@kapso/whatsapp-cloud-api";

import { attempt, digest, link, picture, sends, world } from "./harness.mjs";

const { url, key, line: phoneNumberId, account: businessAccountId, ann, bob, message } = world;
const client = new WhatsAppClient({ baseUrl: url, accessToken: key });
const { messages, media, templates, phoneNumbers, flows } = client;
const toAnn = { phoneNumberId, to: ann };

await attempt("refused", () => messages.sendText({ phoneNumberId, to: bob, body: "On its way." }));
await attempt("wrong key", () =>
  new WhatsAppClient({ baseUrl: url, accessToken: "wrong" }).messages.sendText({ ...toAnn, body: "?" }),
);

await sends("text", () => messages.sendText({ ...toAnn, body: "On its way: https://shop.example", previewUrl: true }));
await sends("reply", () => messages.sendText({ ...toAnn, body: "This one.", contextMessageId: message }));
await sends("callback data", () => messages.sendText({ ...toAnn, body: "Noted.", bizOpaqueCallbackData: "order-A-1042" }));
await sends("image", () => messages.sendImage({ ...toAnn, image: { link: link("a.png"), caption: "A-1042" } }));
await sends("video", () => messages.sendVideo({ ...toAnn, video: { link: link("a.mp4") } }));
await sends("audio", () => messages.sendAudio({ ...toAnn, audio: { link: link("a.mp3") } }));
await sends("voice", () => messages.sendAudio({ ...toAnn, audio: { link: link("a.ogg"), voice: true } }));
await sends("document", () =>
  messages.sendDocument({ ...toAnn, document: { link: link("a.pdf"), filename: "receipt.pdf" } }),
);
await sends("sticker", () => messages.sendSticker({ ...toAnn, sticker: { link: link("a.webp") } }));
await sends("location", () =>
  messages.sendLocation({ ...toAnn, location: { latitude: 51.5, longitude: -0.12, name: "Shop" } }),
);
await sends("contacts", () =>
  messages.sendContacts({
    ...toAnn,
    contacts: [{ name: { formattedName: "Bo Shop", firstName: "Bo" }, phones: [{ phone: "+44 7700 900456" }] }],
  }),
);
await sends("reaction", () => messages.sendReaction({ ...toAnn, reaction: { messageId: message, emoji: "👍" } }));
await sends("reaction removed", () => messages.sendReaction({ ...toAnn, reaction: { messageId: message, emoji: "" } }));
await sends("any message", () =>
  messages.sendRaw({
    phoneNumberId,
    payload: { messagingProduct: "whatsapp", to: ann, type: "text", text: { body: "As it stands." } },
  }),
);

const bodyText = "Which one?";
await sends("buttons", () =>
  messages.sendInteractiveButtons({ ...toAnn, bodyText, buttons: [{ id: "yes", title: "Yes" }] }),
);
await sends("list", () =>
  messages.sendInteractiveList({
    ...toAnn,
    bodyText,
    buttonText: "Choose",
    sections: [{ title: "Days", rows: [{ id: "monday", title: "Monday" }] }],
  }),
);
await sends("link button", () =>
  messages.sendInteractiveCtaUrl({ ...toAnn, bodyText, parameters: { displayText: "Open", url: link("") } }),
);
await sends("flow", () =>
  messages.sendInteractiveFlow({
    ...toAnn,
    bodyText,
    parameters: { flowId: "1", flowCta: "Book", flowAction: "navigate", flowActionPayload: { screen: "FIRST" } },
  }),
);
await sends("product", () =>
  messages.sendInteractiveProduct({ ...toAnn, bodyText, catalogId: "1", productRetailerId: "A" }),
);
await sends("products", () =>
  messages.sendInteractiveProductList({
    ...toAnn,
    bodyText,
    header: { type: "text", text: "Ours" },
    catalogId: "1",
    sections: [{ title: "All", productItems: [{ productRetailerId: "A" }] }],
  }),
);
await sends("catalogue", () =>
  messages.sendInteractiveCatalogMessage({ ...toAnn, bodyText, parameters: { thumbnailProductRetailerId: "A" } }),
);
await sends("location request", () =>
  messages.sendInteractiveLocationRequest({ ...toAnn, bodyText, parameters: { requestMessage: "Where?" } }),
);
await sends("address request", () =>
  messages.sendInteractiveAddress({ ...toAnn, bodyText, parameters: { country: "IN" } }),
);
await sends("call permission request", () =>
  messages.sendInteractiveCallPermission({ ...toAnn, bodyText, parameters: { phoneNumber: ann } }),
);
await sends("carousel", () =>
  messages.sendInteractiveCarousel({
    ...toAnn,
    bodyText,
    cards: [0, 1].map((cardIndex) => ({
      cardIndex,
      header: { type: "image", image: { link: link("a.png") } },
      action: { displayText: "Open", url: link("") },
    })),
  }),
);

const sendTemplate = (name, ...components) =>
  messages.sendTemplate({ phoneNumberId, to: bob, template: { name, language: { code: "en_GB" }, components } });
const template = (name, ...components) => sends(name, () => sendTemplate("order_update", ...components));
const body = { type: "body", parameters: [{ type: "text", text: "A-1042" }] };
const header = (type, value) => ({ type: "header", parameters: [{ type, [type]: value }] });
const button = (subType, ...parameters) => ({ type: "button", subType, index: 0, parameters });
await template("template text", header("text", "Hello"), body);
await sends("template that is known", () =>
  sendTemplate(
    "appointment",
    { type: "body", parameters: [{ type: "text", text: "Ann" }, { type: "text", text: "Monday" }] },
    { ...button("url", { type: "text", text: "A-1042" }), index: 1 },
  ),
);
await template("template named text", {
  type: "body",
  parameters: [{ type: "text", text: "A-1042", parameterName: "order" }],
});
await template("template amount and date", {
  type: "body",
  parameters: [
    { type: "currency", currency: { fallback_value: "£9", code: "GBP", amount_1000: 9000 } },
    { type: "date_time", dateTime: { fallbackValue: "Monday" } },
  ],
});
await template("template image", header("image", { link: link("a.png") }));
await template("template video", header("video", { link: link("a.mp4") }));
await template("template document", header("document", { link: link("a.pdf") }));
await template("template location", header("location", { latitude: 51.5, longitude: -0.12, name: "S", address: "A" }));
await template("template quick reply", button("quick_reply", { type: "payload", payload: "yes" }));
await template("template link", button("url", { type: "text", text: "A-1042" }));
await template("template copy code", button("copy_code", { type: "coupon_code", coupon_code: "SPRING" }));
await template("template flow", button("flow", { type: "action", action: { flow_token: "t" } }));
await template("template catalogue", button("catalog", { type: "action", action: { thumbnail_product_retailer_id: "A" } }));
await template("template carousel", {
  type: "carousel",
  cards: [{ cardIndex: 0, components: [header("image", { link: link("a.png") }), body] }],
});

await attempt("read", () => messages.markRead({ phoneNumberId, messageId: message }));
await attempt("typing", () =>
  messages.markRead({ phoneNumberId, messageId: message, typingIndicator: { type: "text" } }),
);

const mediaId = await attempt("media upload", async () => {
  const file = new Blob([picture], { type: "image/png" });
  return (await media.upload({ phoneNumberId, type: "image/png", file, fileName: "a.png" })).id;
});
await attempt("media look-up", async () => (await media.get({ mediaId, phoneNumberId })).url);
await attempt("media download", async () => digest(await media.download({ mediaId, phoneNumberId, auth: "always" })));
await attempt("media delete", () => media.delete({ mediaId, phoneNumberId }));

await attempt("templates", async () => (await templates.list({ businessAccountId, name: "appointment" })).data.map((one) => one.name));
await attempt("template create", async () => {
  const components = [{ type: "BODY", text: "Hello" }];
  const made = { businessAccountId, name: "kapso", language: "en_GB", category: "UTILITY", components };
  return (await templates.create(made)).status;
});
await attempt("template delete", () => templates.delete({ businessAccountId, name: "kapso" }));
await attempt("profile", async () => (await phoneNumbers.businessProfile.get({ phoneNumberId })).data[0]);
await attempt("profile change", () => phoneNumbers.businessProfile.update({ phoneNumberId, about: "Open" }));
await attempt("register", () => phoneNumbers.register({ phoneNumberId, pin: "123456" }));
await attempt("deregister", () => phoneNumbers.deregister({ phoneNumberId }));
const flow = { version: "7.0", screens: [] };
const flowId = await attempt("flow create", async () =>
  (await flows.create({ wabaId: businessAccountId, name: "Booking", flowJson: flow })).id,
);
await attempt("flow upload", async () => (await flows.updateAsset({ flowId, json: flow })).success);
await attempt("flow publish", async () => (await flows.publish({ flowId })).success);
await attempt("flow look-up", async () => (await flows.get({ flowId })).status);
await attempt("flows", async () => (await flows.list({ wabaId: businessAccountId })).data.map((one) => one.name));
await attempt("flow deprecate", async () => (await flows.deprecate({ flowId })).success);
await attempt("calls", () => client.calls.reject({ phoneNumberId, callId: "wacid.A" }));
await attempt("number settings", () => phoneNumbers.settings.get({ phoneNumberId }));
