// whatsapp-api-js as a webhook: `post` checks the signature and calls `on.message` or `on.status`; `get` verifies.
import { WhatsAppAPI } from "whatsapp-api-js";

import { say, serve, world } from "./harness.mjs";

const api = new WhatsAppAPI({
  token: world.key,
  appSecret: world.secret,
  webhookVerifyToken: world.verify,
  v: "v24.0",
});
api.on.message = ({ message }) => say({ id: message.id, detail: detail(message) });
api.on.status = ({ id, status, error }) => say({ id, detail: error?.code ?? status });

async function take(body, signature) {
  try {
    await api.post(JSON.parse(body), body, signature);
    return [200, "ok"];
  } catch (error) {
    return [error.httpStatus ?? 500, error.message];
  }
}

function verify(query) {
  try {
    return [200, api.get(query)];
  } catch (error) {
    return [error.httpStatus ?? 500, error.message];
  }
}

function detail(message) {
  const { type } = message;
  if (type === "interactive") {
    const { button_reply: button, list_reply: row, nfm_reply: flow } = message.interactive;
    return (button ?? row)?.id ?? JSON.parse(flow.response_json).flow_token;
  }
  const read = {
    text: () => message.text.body,
    location: () => message.location.latitude,
    contacts: () => message.contacts[0].name.formatted_name,
    reaction: () => message.reaction.emoji,
    button: () => message.button.payload,
    order: () => message.order.catalog_id,
  };
  return (read[type] ?? (() => message[type]?.id))();
}

serve(take, verify);
