// Runs the audits of the npm package graphql-http against a server and says what came of each, one JSON value a line.
//
//   LEADLINE_URL=http://127.0.0.1:8080 LEADLINE_TOKEN=… node audits.mjs
import { auditServer } from "graphql-http";

// Some audits ask for `__type`, which nobody without a token is told.
const authorization = `Bearer ${process.env.LEADLINE_TOKEN}`;
const fetchFn = (url, init = {}) => fetch(url, { ...init, headers: { ...init.headers, authorization } });

for (const { id, name, status, reason } of await auditServer({ url: `${process.env.LEADLINE_URL}/graphql`, fetchFn })) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
