// Lets the platform's own library look at what the sandbox says and sends. Reads what to look at from standard input, and
// writes what it found, both as JSON.
import "@shopify/shopify-api/adapters/web-api";
import { ApiVersion, LogSeverity, shopifyApi } from "@shopify/shopify-api";
import { createAdminApiClient } from "@shopify/admin-api-client";
import { text } from "node:stream/consumers";

const { base, shop, clientId, clientSecret, token, deliveries } = JSON.parse(await text(process.stdin));
const library = (secret) =>
  shopifyApi({
    apiKey: clientId,
    apiSecretKey: secret,
    hostName: "leadline.example.com",
    apiVersion: Object.values(ApiVersion).at(-1),
    isEmbeddedApp: false,
    logger: { level: LogSeverity.Error },
  });

const validated = async (secret, { headers, body }) => {
  const rawRequest = new Request("https://leadline.example.com/hooks", { method: "POST", headers, body });
  return await library(secret).webhooks.validate({ rawBody: body, rawRequest, rawResponse: new Response() });
};
const webhooks = [];
for (const delivery of deliveries) {
  const right = await validated(clientSecret, delivery);
  const wrong = await validated("another secret", delivery);
  webhooks.push({ topic: right.topic, shop: right.domain, id: right.webhookId, valid: right.valid, otherSecret: wrong.valid });
}

const page = new URL("/admin/oauth/authorize", base);
page.search = new URLSearchParams({
  client_id: clientId,
  scope: "write_customers,read_orders",
  redirect_uri: "https://leadline.example.com/callback",
  // No spaces: this version of the library signs them as `+`, later ones and the platform as `%20`.
  state: "a+state/with=signs&others",
});
const consent = await fetch(page, { redirect: "manual" });
const query = Object.fromEntries(new URL(consent.headers.get("location")).searchParams);
const callback = {
  valid: await library(clientSecret).utils.validateHmac(query),
  changed: await library(clientSecret).utils.validateHmac({ ...query, code: "another" }),
  shop: library(clientSecret).utils.sanitizeShop(query.shop),
};

const client = createAdminApiClient({
  storeDomain: shop,
  apiVersion: "2026-10",
  accessToken: token,
  // The library asks the shop itself; here the sandbox stands in for it.
  customFetchApi: (url, init) => fetch(new URL(new URL(url).pathname, base), init),
});
const { data, errors, extensions } = await client.request(
  "query ($first: Int!) { shop { name } customers(first: $first) { nodes { id } pageInfo { hasNextPage } } }",
  { variables: { first: 3 } },
);
const unknown = await client.request("{ shop { nome } }");
const graphql = {
  shop: data?.shop.name,
  customers: data?.customers.nodes.length,
  failed: errors !== undefined,
  cost: extensions?.cost.requestedQueryCost,
  unknown: unknown.errors?.graphQLErrors?.[0]?.extensions?.code,
};
console.log(JSON.stringify({ webhooks, callback, graphql }));
