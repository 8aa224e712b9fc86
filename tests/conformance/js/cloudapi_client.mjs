// @whatsapp-cloudapi/client: every type it offers.
import * as client from "@whatsapp-cloudapi/client";

import { attempt, link, picture, sends, world } from "./harness.mjs";

const { url: baseUrl, key: accessToken, line: from, ann, bob, message } = world;
const account = { accessToken, from, baseUrl };
const toAnn = { ...account, to: ann };
const toBob = { ...account, to: bob };

await attempt("refused", () => client.sendTextMessage({ ...toBob, text: "On its way." }));
await attempt("wrong key", () => client.sendTextMessage({ ...toAnn, accessToken: "wrong", text: "?" }));

await sends("text", () => client.sendTextMessage({ ...toAnn, text: "On its way.", previewUrl: true }));
await sends("callback data", () =>
  client.sendTextMessage({ ...toAnn, text: "Noted.", bizOpaqueCallbackData: "order-A-1042" }),
);
const bodyText = "Which one?";
await sends("buttons", () => client.sendButtonsMessage({ ...toAnn, bodyText, buttons: [{ id: "yes", title: "Yes" }] }));
await sends("list", () =>
  client.sendListMessage({
    ...toAnn,
    bodyText,
    buttonText: "Choose",
    sections: [{ title: "Days", rows: [{ id: "monday", title: "Monday" }] }],
  }),
);
await sends("link button", () =>
  client.sendCTAURLMessage({ ...toAnn, bodyText, buttonText: "Open", url: link("") }),
);
await sends("flow", () =>
  client.sendFlowMessage({
    ...toAnn,
    bodyText,
    flowToken: "t",
    flowId: "1",
    flowCta: "Book",
    flowAction: "navigate",
    screen: "FIRST",
  }),
);

const mediaId = await attempt("media upload", async () => {
  const file = new Blob([picture], { type: "image/png" });
  return (await client.uploadMedia({ ...account, file })).id;
});
await sends("image", () => client.sendImageMessage({ ...toAnn, mediaId, caption: "A-1042" }));

const sendTemplate = (templateName, ...components) =>
  client.sendTemplateMessage({ ...toBob, templateName, languageCode: "en_GB", components });
const template = (name, ...components) => sends(name, () => sendTemplate("order_update", ...components));
const header = (type, value) => ({ type: "header", parameters: [{ type, [type]: value }] });
const button = (sub_type, ...parameters) => ({ type: "button", sub_type, index: 0, parameters });
const file = (path) => ({ link: link(path) });
await template("template text", header("text", "Hello"), {
  type: "body",
  parameters: [{ type: "text", text: "A-1042" }],
});
await sends("template that is known", () =>
  sendTemplate(
    "appointment",
    { type: "body", parameters: [{ type: "text", text: "Ann" }, { type: "text", text: "Monday" }] },
    { ...button("url", { type: "text", text: "A-1042" }), index: 1 },
  ),
);
await template("template named text", {
  type: "body",
  parameters: [{ type: "text", text: "A-1042", parameter_name: "order" }],
});
await template("template amount and date", {
  type: "body",
  parameters: [
    { type: "currency", currency: { fallback_value: "£9", code: "GBP", amount_1000: 9000 } },
    { type: "date_time", date_time: { fallback_value: "Monday" } },
  ],
});
await template("template image", header("image", file("a.png")));
await template("template video", header("video", file("a.mp4")));
await template("template document", header("document", file("a.pdf")));
await template(
  "template location",
  header("location", { latitude: "51.5", longitude: "-0.12", name: "Shop", address: "High Street" }),
);
await template("template quick reply", button("quick_reply", { type: "payload", payload: "yes" }));
await template("template link", button("url", { type: "text", text: "A-1042" }));

await attempt("read", () => client.markMessageRead({ ...account, messageId: message }));
await attempt("typing", () => client.markMessageRead({ ...account, messageId: message, showTypingIndicator: true }));
