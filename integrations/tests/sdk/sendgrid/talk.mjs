// Lets SendGrid's own SDK send by the sandbox, and checks what the sandbox signs with the SDK's own check.
// node talk.mjs <base> <key> <mail as JSON>; writes one object of JSON.
import { createServer } from "node:http";
import client from "@sendgrid/client";
import { EventWebhook, EventWebhookHeader } from "@sendgrid/eventwebhook";
import mail from "@sendgrid/mail";

const [base, key, letter] = process.argv.slice(2);
client.setApiKey(key);
client.setDefaultRequest("baseUrl", base);
mail.setClient(client);

const told = [];
let heard;
const hook = createServer((request, answer) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    told.push({ headers: request.headers, body: Buffer.concat(pieces) });
    answer.end();
    heard();
  });
});
await new Promise((ready) => hook.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${hook.address().port}/hook`;
const settings = "/v3/user/webhooks/event/settings";
const ask = (method, path, body) => client.request({ method, url: path, body });
const [made] = await ask("POST", settings, { enabled: true, url, delivered: true, processed: true, bounce: true });
await ask("PATCH", `${settings}/signed/${made.body.id}`, { enabled: true });
const [signing] = await ask("GET", `${settings}/signed/${made.body.id}`);

const first = new Promise((resolve) => (heard = resolve));
const [sent] = await mail.send(JSON.parse(letter));
await first;

const refused = await mail.send({ ...JSON.parse(letter), personalizations: [{ to: "nobody" }] }).catch((error) => error);

const webhook = new EventWebhook();
const publicKey = webhook.convertPublicKeyToECDSA(signing.body.public_key);
const [{ headers, body }] = told;
const signature = headers[EventWebhookHeader.SIGNATURE().toLowerCase()];
const timestamp = headers[EventWebhookHeader.TIMESTAMP().toLowerCase()];
const changed = Buffer.from(body);
changed[10] ^= 1;
hook.close();
console.log(
  JSON.stringify({
    status: sent.statusCode,
    id: sent.headers["x-message-id"],
    refused: { code: refused.code, errors: refused.response?.body?.errors },
    events: JSON.parse(body),
    verified: webhook.verifySignature(publicKey, body, signature, timestamp),
    verifiedChanged: webhook.verifySignature(publicKey, changed, signature, timestamp),
  }),
);
