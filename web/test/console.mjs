// Opens the console in headless Chromium as a user would: runs a query, watches a subscription tick.
//
//   LEADLINE_URL=http://127.0.0.1:8080 LEADLINE_TOKEN=… node test/console.mjs
//
// LEADLINE_URL         address of a running server that has the page built in
// LEADLINE_TOKEN       a token that may read leads; leads must be changing, so that the subscription has something to show
// LEADLINE_SCREENSHOT  where to write a picture of the page as it was last seen (PNG); none when empty
// CHROMIUM             the browser; /usr/bin/chromium when empty
// LEADLINE_TIMEOUT_MS  how long each step may take, in milliseconds; 30000 when empty
//
// Answers 0 when everything was seen, 1 with a message on standard error otherwise.
import { chromium } from "playwright-core";

function setting(name, otherwise) {
  const value = process.env[name] || otherwise;
  if (value === undefined) throw new Error(`set ${name}`);
  return value;
}

function check(condition, message) {
  if (!condition) throw new Error(message);
}

/**
 * Waits until the answer pane holds what `pattern` finds, its first group being other than `unlike`.
 * Gives back the text of the pane and that group.
 */
async function answerWith(page, what, pattern, unlike = null) {
  const pane = ".result-window .view-lines";
  try {
    const found = await page.waitForFunction(
      ({ pane, source, unlike }) => {
        // The editor shows blanks as no-break spaces.
        const text = document.querySelector(pane)?.innerText.replaceAll("\u00a0", " ") ?? "";
        const match = new RegExp(source).exec(text);
        return match && match[1] !== unlike && { text, value: match[1] };
      },
      { pane, source: pattern.source, unlike },
    );
    return await found.jsonValue();
  } catch (error) {
    if (error.name !== "TimeoutError") throw error;
    const seen = (await page.locator(pane).innerText()).trim();
    throw new Error(`${what} was not shown in time; the answer pane shows: ${seen || "nothing"}`);
  }
}

async function visit(page, base, token) {
  const origin = new URL(base).origin;
  const socketOrigin = origin.replace(/^http/, "ws");
  const strays = [];
  const failed = [];
  const complaints = [];
  const sockets = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.protocol !== "blob:" && url.origin !== origin) strays.push(request.url());
  });
  page.on("websocket", (socket) => {
    sockets.push(socket.url());
    if (new URL(socket.url()).origin !== socketOrigin) strays.push(socket.url());
  });
  page.on("response", (response) => {
    if (response.status() >= 400) failed.push(`${response.status()} ${response.url()}`);
  });
  page.on("pageerror", (error) => complaints.push(`${error}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });

  await page.goto(`${base}/#token=${encodeURIComponent(token)}`);
  check((await page.title()) === "Leadline", `the page is called "${await page.title()}", not "Leadline"`);
  check(!page.url().includes(token), "the token stays in the address bar");
  const run = page.getByRole("button", { name: "Execute query" });
  await page.getByRole("tab", { name: "Version" }).click();
  await run.click();
  const version = await answerWith(page, "the server's version", /"version": "([^"]+)"/);

  await page.getByRole("tab", { name: "FirstLeads" }).click();
  await run.click();
  const leads = await answerWith(page, "a lead", /"displayName": "([^"]+)"/);
  check(!leads.text.includes('"errors"'), `the query for leads failed: ${leads.text}`);
  const status = await page.getByRole("status").innerText();
  check(status === "The token is accepted.", `the page says of the token: ${status}`);

  await page.getByRole("tab", { name: "LeadChanges" }).click();
  await run.click();
  const cursor = /"leadChanged"[^]*"cursor": "([^"]+)"/;
  const first = await answerWith(page, "a first tick", cursor);
  const second = await answerWith(page, "a second tick", cursor, first.value);

  check(sockets.length === 1, `one WebSocket was expected, ${sockets.length} were opened`);
  check(strays.length === 0, `requests left ${origin}: ${strays.join(", ")}`);
  check(failed.length === 0, `requests failed: ${failed.join(", ")}`);
  check(complaints.length === 0, `the page complained: ${complaints.join("; ")}`);
  return { version: version.text, tick: second.text };
}

async function main() {
  const base = setting("LEADLINE_URL").replace(/\/+$/, "");
  const token = setting("LEADLINE_TOKEN");
  const screenshot = setting("LEADLINE_SCREENSHOT", "");
  const timeout = Number(setting("LEADLINE_TIMEOUT_MS", "30000"));
  const browser = await chromium.launch({
    executablePath: setting("CHROMIUM", "/usr/bin/chromium"),
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(timeout);
    try {
      const { version, tick } = await visit(page, base, token);
      console.log(`query:\n${version.trim()}\n\nsubscription:\n${tick.trim()}`);
    } finally {
      if (screenshot) await page.screenshot({ path: screenshot });
    }
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(`console: ${error.message}`);
  process.exitCode = 1;
});
