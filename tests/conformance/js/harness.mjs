// What a script shares: the world it is told about, and one JSON line for each thing it tried.
import { createServer } from "node:http";

export const world = JSON.parse(process.env.WORLD ?? "{}");

/** Try one thing and print what the client made of it, as a value or as what it threw. */
export async function attempt(name, work) {
  const outcome = { case: name };
  try {
    outcome.value = (await work()) ?? null;
  } catch (error) {
    outcome.raised = described(error);
  }
  say(outcome);
  return outcome.value;
}

/** Try a send of a client that hands over WhatsApp's answer as it came: the id in it. */
export const sends = (name, work) => attempt(name, async () => (await work()).messages[0].id);

/** An address in a message; nobody looks there. */
export const link = (path) => `https://shop.example/${path}`;

function described(error) {
  const { name, message, code, category, httpStatus, details } = error;
  return { class: error.constructor.name, name, message, code, category, httpStatus, details };
}

/** A picture of a few hundred kilobytes, as every client of the tests sends it. */
export const picture = Uint8Array.from({ length: 256 * 1000 }, (_, index) => index % 256);

/** Its SHA-256, to compare what came back with. */
export async function digest(bytes) {
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return Buffer.from(hash).toString("hex");
}

/** A webhook of its own; `take` gives a status and what was seen, `verify` the challenge. */
export function serve(take, verify) {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const query = Object.fromEntries(new URL(request.url, "http://localhost").searchParams);
    const body = Buffer.concat(chunks).toString("utf8");
    const [status, text] =
      request.method === "GET" ? verify(query) : await take(body, request.headers["x-hub-signature-256"]);
    response.writeHead(status).end(text);
  });
  server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
}

/** One JSON line for whoever started this. */
export function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}
