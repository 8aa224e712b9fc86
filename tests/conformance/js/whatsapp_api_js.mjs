// whatsapp-api-js: every type it offers. Its host is fixed; `ponyfill.fetch` is its own way to another one.
import { WhatsAppAPI } from "whatsapp-api-js";
import * as m from "whatsapp-api-js/messages";

import { attempt, digest, link, picture, world } from "./harness.mjs";

const { url, key, line, ann, bob, message } = world;
const ours = (input, init) => fetch(String(input).replace("https://graph.facebook.com", url), init);
const client = (token) => new WhatsAppAPI({ token, v: "v24.0", secure: false, ponyfill: { fetch: ours } });
const api = client(key);

const sends = (name, content, context, data, to = ann) =>
  attempt(name, async () => {
    const answer = await api.sendMessage(line, to, content(), context, data);
    return answer.messages?.[0].id ?? answer;
  });

await attempt("refused", () => api.sendMessage(line, bob, new m.Text("On its way.")));
await attempt("wrong key", () => client("wrong").sendMessage(line, ann, new m.Text("?")));

await sends("text", () => new m.Text("On its way.", true));
await sends("reply", () => new m.Text("This one."), message);
await sends("callback data", () => new m.Text("Noted."), undefined, "order-A-1042");
await sends("image", () => new m.Image(link("a.png"), false, "A-1042"));
await sends("video", () => new m.Video(link("a.mp4")));
await sends("audio", () => new m.Audio(link("a.mp3")));
await sends("voice", () => new m.Audio("1037543291543636", true, true));
await sends("document", () => new m.Document(link("a.pdf"), false, "Thanks", "receipt.pdf"));
await sends("sticker", () => new m.Sticker(link("a.webp")));
await sends("location", () => new m.Location(-0.12, 51.5, "Shop", "High Street"));
await sends("contacts", () => new m.Contacts([new m.Name("Bo Shop", "Bo"), new m.Phone("+44 7700 900456")]));
await sends("reaction", () => new m.Reaction(message, "👍"));

await sends("reaction removed", () => new m.Reaction(message));

const interactive = (name, action, header) =>
  sends(name, () => new m.Interactive(action(), new m.Body("Which one?"), header && new m.Header(header)));
await interactive("buttons", () => new m.ActionButtons(new m.Button("yes", "Yes")));
await interactive("list", () => new m.ActionList("Choose", new m.ListSection("Days", new m.Row("monday", "Monday"))));
await interactive("link button", () => new m.ActionCTA("Open", link("")));
await interactive("flow", () => new m.ActionNavigateFlow("t", "1", "Book", "FIRST", { day: "Monday" }));
await interactive("product", () => new m.ActionProduct(new m.CatalogProduct("A", "1")));
await interactive(
  "products",
  () => new m.ActionProductList("1", new m.ProductSection("All", new m.Product("A"))),
  "Ours",
);
await interactive("catalogue", () => new m.ActionCatalog(new m.Product("A")));
await interactive("location request", () => new m.ActionLocation());
await interactive("call permission request", () => new m.ActionCallPermission());
await interactive("contact request", () => new m.ActionContactRequest());

const template = (name, ...components) =>
  sends(name, () => new m.Template("order_update", "en_GB", ...components.map((one) => one())), undefined, undefined, bob);
const body = () => new m.BodyComponent(new m.BodyParameter("A-1042"));
const header = (value) => () => new m.HeaderComponent(new m.HeaderParameter(value));
await template("template text", header("Hello"), body);
await template("template named text", () => new m.BodyComponent(new m.BodyParameter("A-1042", "order")));
await template("template amount and date", () =>
  new m.BodyComponent(
    new m.BodyParameter(new m.Currency(9000, "GBP", "£9")),
    new m.BodyParameter(new m.DateTime("Monday")),
  ),
);
await template("template image", header(new m.Image(link("a.png"))));
await template("template video", header(new m.Video(link("a.mp4"))));
await template("template document", header(new m.Document(link("a.pdf"))));
await template("template location", header(new m.Location(-0.12, 51.5, "Shop", "High Street")));
await template("template product", header(new m.CatalogProduct("A", "1")));
await template("template quick reply", () => new m.PayloadComponent("yes"));
await template("template link", () => new m.URLComponent("A-1042"));
await template("template copy code", () => new m.CopyComponent("SPRING"));
await template("template flow", () => new m.FlowComponent("t", { day: "Monday" }));
await template("template catalogue", () => new m.CatalogComponent(new m.Product("A")));
await template("template products", () =>
  new m.MPMComponent(new m.Product("A"), new m.ProductSection("All", new m.Product("A"))),
);
await template("template offer", () => new m.LTOComponent(1_900_000_000_000));
await template("template tap target", () => new m.TapTargetComponent("Open", link("")));
await template("template carousel", () =>
  new m.CarouselComponent(new m.CarouselCard(new m.Image(link("a.png")), new m.BodyComponent(new m.BodyParameter("A")))),
);
const known = () =>
  new m.Template(
    "appointment",
    "en_GB",
    new m.BodyComponent(new m.BodyParameter("Ann"), new m.BodyParameter("Monday")),
    new m.SkipButtonComponent(),
    new m.URLComponent("A-1042"),
  );
await sends("template that is known", known, undefined, undefined, bob);
await sends("template code", () => m.Template.OTP("login_code", "en_GB", "123456"), undefined, undefined, bob);
await attempt("broadcast", async () => {
  const answers = await Promise.all(api.broadcastMessage(line, [ann, ann], new m.Text("To all."), 2, 0));
  return answers.map((answer) => answer.messages[0].id);
});

await attempt("read", () => api.markAsRead(line, message));
await attempt("typing", () => api.markAsRead(line, message, "text"));

const id = await attempt("media upload", async () => {
  const form = new FormData();
  form.set("file", new Blob([picture], { type: "image/png" }), "a.png");
  return (await api.uploadMedia(line, form)).id;
});
const address = await attempt("media look-up", async () => (await api.retrieveMedia(id, line)).url);
await attempt("media download", async () => digest(await (await api.fetchMedia(address)).arrayBuffer()));
await attempt("media delete", () => api.deleteMedia(id, line));

await attempt("block", async () => (await api.blockUser(line, ann)).block_users);
await attempt("unblock", async () => (await api.unblockUser(line, ann)).block_users);
await attempt("QR codes", () => api.retrieveQR(line));
await attempt("calls", () => api.rejectCall(line, "wacid.A"));
