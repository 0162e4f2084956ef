// Has the platform's own SDK do what the client does; says as JSON what came of it.
// node talk.mjs <base> <app secret> <token> <account> <dataset> <day from> <day to> <seconds of the event>

import { createHash, createHmac } from "node:crypto";
import sdk from "facebook-nodejs-business-sdk";

const [base, secret, token, account, dataset, since, until, seconds] = process.argv.slice(2);
const { AdAccount, CustomAudience, CustomData, EventRequest, FacebookAdsApi, Page, ServerEvent, User, UserData } = sdk;

// The SDK knows one address and one version.
Object.defineProperty(FacebookAdsApi, "GRAPH", { get: () => base.replace(/\/$/, "") });
Object.defineProperty(FacebookAdsApi, "VERSION", { get: () => "v25.0" });

const proof = (key) => createHmac("sha256", secret).update(key).digest("hex");
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const owner = FacebookAdsApi.init(token, "en_US", false);
const appsecret_proof = proof(token);

async function all(cursor) {
  const rows = [...cursor];
  while (cursor.hasNext()) {
    await cursor.next();
    rows.push(...cursor);
  }
  return rows;
}

async function refused(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    const said = error.response ?? error;
    return { code: said.code, message: said.message };
  }
}

const said = {};
const advertiser = new AdAccount(`act_${account}`, {}, undefined, owner);

said.audiences = (await all(await advertiser.getCustomAudiences(["id", "name"], { appsecret_proof }))).length;
const audience = await advertiser.createCustomAudience([], {
  appsecret_proof,
  name: "Made by the SDK",
  subtype: "CUSTOM",
  customer_file_source: "USER_PROVIDED_ONLY",
});
said.audience = audience.id;
const list = new CustomAudience(audience.id, {}, undefined, owner);
const added = await list.createUser([], {
  appsecret_proof,
  payload: { schema: ["EXTERN_ID", "EMAIL"], data: [["person-1", sha256("lead1@example.com")], ["person-2", sha256("lead2@example.com")]] },
});
said.added = added.num_received ?? added._data?.num_received;
said.unhashed = await refused(
  list.createUser([], { appsecret_proof, payload: { schema: ["EMAIL"], data: [["lead1@example.com"]] } }),
);
said.unproven = await refused(advertiser.getCustomAudiences(["id"], {}));

const results = await advertiser.getInsights(["campaign_id", "spend"], {
  appsecret_proof,
  level: "campaign",
  time_range: { since, until },
  time_increment: 1,
  limit: 500,
});
said.results = (await all(results)).map((row) => [row._data.campaign_id, row._data.date_start ?? null, row._data.spend]);

said.leads = [];
const pages = await all(await new User("me", {}, undefined, owner).getAccounts(["id", "access_token"], { appsecret_proof }));
for (const { _data: page } of pages) {
  const api = new FacebookAdsApi(page.access_token, "en_US", false);
  const own = { appsecret_proof: proof(page.access_token), limit: 100 };
  const forms = await all(await new Page(page.id, {}, undefined, api).getLeadGenForms(["id"], { ...own }));
  for (const form of forms) {
    const leads = await all(await form.getLeads(["id", "created_time"], { ...own }));
    said.leads.push(...leads.map((lead) => lead._data.id));
  }
}

const person = new UserData()
  .setEmail(" John_Smith@gmail.com ")
  .setPhone("+1 (650) 555-1212")
  .setFirstName("Valéry")
  .setLastName("Größe")
  .setCity("New York")
  .setState("NY")
  .setZip("94025-1234")
  .setCountry("US");
const event = new ServerEvent()
  .setEventName("Purchase")
  .setEventTime(Number(seconds))
  .setEventId("order-1001")
  .setActionSource("system_generated")
  .setUserData(person)
  .setCustomData(new CustomData().setCurrency("eur").setValue(120.5));
const sent = await new EventRequest(token, dataset, [event]).setAppSecret(secret).execute();
said.received = sent.events_received ?? sent._events_received;

console.log(JSON.stringify(said));
