// Lets Twilio's own SDK talk to the sandbox, check what the sandbox signs, and sign for our side to check.
// node talk.mjs <base> <account sid> <auth token> <number of the account>; prints one JSON document.

import { createServer } from "node:http";
import twilio from "twilio";

const [base, account, token, from] = process.argv.slice(2);
const { RequestClient, validateRequest, getExpectedTwilioSignature, getExpectedBodyHash } = twilio;

// A callback that never comes must not keep the test waiting.
setTimeout(() => {
  console.error("not all callbacks came in time");
  process.exit(1);
}, 30_000).unref();

// The SDK knows only Twilio's hosts.
class Redirected extends RequestClient {
  request(options) {
    const { pathname, search } = new URL(options.uri);
    return super.request({ ...options, uri: new URL(pathname + search, base).href });
  }
}

const client = twilio(account, token, { httpClient: new Redirected() });

const told = [];
let waiting = () => {};
const server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    const fields = Object.fromEntries(new URLSearchParams(body));
    const url = `http://${request.headers.host}${request.url}`;
    const signature = request.headers["x-twilio-signature"];
    told.push({
      valid: validateRequest(token, signature, url, fields),
      validForOther: validateRequest(`${token}x`, signature, url, fields),
      status: fields.MessageStatus ?? fields.CallStatus,
    });
    response.end();
    waiting();
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const callback = `http://127.0.0.1:${server.address().port}/hooks?tenant=a%20b&message=m-1`;

async function until(status) {
  while (!told.some((one) => one.status === status)) {
    await new Promise((resolve) => (waiting = resolve));
  }
}

const message = await client.messages.create({
  to: "+15550107001",
  from,
  body: "Grüße & bis bald 👋",
  statusCallback: callback,
});
await until("delivered");
const fetched = await client.messages(message.sid).fetch();

const speech = new twilio.twiml.VoiceResponse();
speech.say({ language: "en-GB" }, "Tom & Lea <3");
const call = await client.calls.create({
  to: "+15550107001",
  from,
  twiml: speech.toString(),
  statusCallback: callback,
  statusCallbackEvent: ["initiated", "ringing", "answered", "completed"],
});
await until("completed");

const listed = await client.messages.list({ to: "+15550107000", pageSize: 30 });
const recent = await client.messages.list({ to: "+15550107000", dateSentAfter: listed[40].dateSent });
const numbers = await client.incomingPhoneNumbers.list();
const owner = await client.api.v2010.accounts(account).fetch();
const refused = await client.messages
  .create({ to: "+15550121610", from, body: "Hello" })
  .then(() => null, (error) => ({ status: error.status, code: error.code }));
server.close();

// What the SDK would have Twilio sign.
const form = { Body: "Grüße  + 👋 ", From: "+15550107001", MessageSid: "SM1", To: from, a: "1", B: "2" };
const json = '{"event":"ü"}';
const forms = ["https://hooks.example.org/t?c=7", "https://hooks.example.org:443/t?c=7"].map((url) => ({
  url,
  type: "application/x-www-form-urlencoded",
  body: new URLSearchParams(form).toString(),
  signature: getExpectedTwilioSignature(token, url, form),
}));
const many = "https://hooks.example.org/t";
const hashed = `https://hooks.example.org/t?bodySHA256=${getExpectedBodyHash(json)}`;
const signed = [
  ...forms,
  {
    url: many,
    type: "application/x-www-form-urlencoded",
    body: "MessageSid=SM1&Tag=b&Tag=a&Tag=b",
    signature: getExpectedTwilioSignature(token, many, { MessageSid: "SM1", Tag: ["b", "a", "b"] }),
  },
  { url: hashed, type: "application/json", body: json, signature: getExpectedTwilioSignature(token, hashed, {}) },
];

console.log(
  JSON.stringify({
    message: { sid: message.sid, status: message.status, body: fetched.body, created: fetched.dateCreated },
    call: { sid: call.sid, status: call.status },
    told,
    listed: listed.length,
    distinct: new Set(listed.map((one) => one.sid)).size,
    recent: recent.length,
    numbers: numbers.length,
    owner: owner.friendlyName,
    refused,
    signed,
  }),
);
