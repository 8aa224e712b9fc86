// @kapso/whatsapp-cloud-api as a webhook: `verifySignature` over the raw body, then `normalizeWebhook`.
import { normalizeWebhook, verifySignature } from "@kapso/whatsapp-cloud-api/server";

import { say, serve, world } from "./harness.mjs";

function take(rawBody, signatureHeader) {
  if (!verifySignature({ appSecret: world.secret, rawBody, signatureHeader })) return [401, "signature"];
  const { messages, statuses } = normalizeWebhook(JSON.parse(rawBody));
  for (const one of messages) say({ id: one.id, detail: detail(one) });
  for (const one of statuses) say({ id: one.id, detail: one.errors?.[0].code ?? one.status });
  return [200, "ok"];
}

function detail(message) {
  const { type } = message;
  if (type === "interactive") {
    const { buttonReply, listReply, nfmReply } = message.interactive;
    return (buttonReply ?? listReply)?.id ?? JSON.parse(nfmReply.responseJson).flow_token;
  }
  const read = {
    text: () => message.text.body,
    location: () => message.location.latitude,
    contacts: () => message.contacts[0].name.formattedName,
    reaction: () => message.reaction.emoji,
    button: () => message.button.payload,
    order: () => message.order.catalogId,
  };
  return (read[type] ?? (() => message[type]?.id))();
}

serve(take, () => [404, "it has no verification of its own"]);
