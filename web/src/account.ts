import "./account.css";
import { ask } from "./session";

/** The page behind the links of mails, and where users sign in. What it is for stands behind the `#`, with the code. */

interface UserError {
  field?: string[];
  message: string;
}

interface Field {
  name: string;
  label: string;
  type: "email" | "password" | "text";
  autocomplete: AutoFill;
  optional?: boolean;
}

const email: Field = { name: "email", label: "E-mail address", type: "email", autocomplete: "username" };
const password: Field = { name: "password", label: "Password", type: "password", autocomplete: "current-password" };
const newPassword: Field = { name: "password", label: "New password (10 characters or more)", type: "password", autocomplete: "new-password" };
const name: Field = { name: "name", label: "Your name", type: "text", autocomplete: "name", optional: true };
const code: Field = { name: "code", label: "Code of your app, or a recovery code", type: "text", autocomplete: "one-time-code" };

const place = document.getElementById("account");
if (!place) throw new Error("account.html has an element with the id `account`");
const root: HTMLElement = place;

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text?: string,
  attributes: Record<string, string> = {},
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function show(title: string, ...parts: HTMLElement[]): void {
  root.replaceChildren(element("h1", title), ...parts);
}

function link(text: string, href: string): HTMLElement {
  const paragraph = element("p");
  paragraph.append(element("a", text, { href }));
  return paragraph;
}

/** Messages of user errors; nothing when there are none. */
function problems(payload: unknown): string {
  const errors = (payload as { userErrors?: UserError[] } | null)?.userErrors ?? [];
  return errors.map(({ message }) => message).join("; ");
}

/** A form that says what went wrong below its fields. */
function form(fields: Field[], button: string, submit: (values: Record<string, string>) => Promise<string>): HTMLFormElement {
  const made = element("form");
  for (const field of fields) {
    const label = element("label", field.label);
    const input = element("input", undefined, { name: field.name, type: field.type, autocomplete: field.autocomplete });
    input.required = !field.optional;
    label.append(input);
    made.append(label);
  }
  const said = element("p", "", { role: "alert" });
  const send = element("button", button, { type: "submit" });
  made.append(send, said);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(made)].map(([key, value]) => [key, String(value)]));
    send.disabled = true;
    said.textContent = "";
    submit(values)
      .catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
      .then((message) => {
        said.textContent = message;
        send.disabled = false;
      });
  });
  queueMicrotask(() => made.querySelector("input")?.focus());
  return made;
}

function enter(): string {
  window.location.assign("/");
  return "";
}

/** Sign-in elsewhere and making an account, where this server has them. */
async function otherWays(): Promise<HTMLElement[]> {
  const { signInOptions } = (await ask(`{ signInOptions { openId signUp } }`)) as {
    signInOptions: { openId: boolean; signUp: boolean };
  };
  const ways: HTMLElement[] = [];
  if (signInOptions.openId) {
    ways.push(
      form([], "Sign in with your organization", async () => {
        const { openIdBegin: payload } = (await ask(
          `mutation ($input: OpenIdBeginInput!) { openIdBegin(input: $input) { url userErrors { message } } }`,
          { redirectPath: "/" },
        )) as { openIdBegin: { url: string | null } };
        if (payload.url) window.location.assign(payload.url);
        return problems(payload);
      }),
    );
  }
  if (signInOptions.signUp) ways.push(link("Make an account", "#sign-up"));
  return ways;
}

function signIn(failed?: string): void {
  const parts = [
    form([email, password], "Sign in", async (values) => {
      const { signIn: payload } = (await ask(
        `mutation ($input: SignInInput!) { signIn(input: $input) { user { id } secondFactor { challenge } userErrors { message } } }`,
        { ...values, transport: "COOKIE" },
      )) as { signIn: { user: unknown; secondFactor: { challenge: string } | null } };
      if (payload.secondFactor) {
        secondFactor(payload.secondFactor.challenge);
        return "";
      }
      return payload.user ? enter() : problems(payload);
    }),
    link("Forgot your password?", "#forgot"),
  ];
  if (failed) parts.unshift(element("p", failed, { role: "alert" }));
  show("Sign in to Leadline", ...parts);
  const last = parts[parts.length - 1];
  // Without them the page is as good as it was.
  otherWays().then(
    (ways) => last?.isConnected && last.after(...ways),
    () => undefined,
  );
}

function signUp(): void {
  show(
    "Make an account",
    form([email, name, newPassword], "Go on", async (values) => {
      const { signUp: payload } = await ask(
        `mutation ($input: SignUpInput!) { signUp(input: $input) { userErrors { message } } }`,
        { ...values, transport: "COOKIE" },
      );
      return problems(payload) || "A mail is on its way to you. Its link makes the account yours.";
    }),
    link("Sign in", "#"),
  );
}

function secondFactor(challenge: string): void {
  show(
    "The second step",
    form([code], "Go on", async (values) => {
      const { signInConfirm: payload } = (await ask(
        `mutation ($input: SignInConfirmInput!) { signInConfirm(input: $input) { user { id } userErrors { message } } }`,
        { ...values, challenge, transport: "COOKIE" },
      )) as { signInConfirm: { user: unknown } };
      return payload.user ? enter() : problems(payload);
    }),
  );
}

function forgot(): void {
  show(
    "A new password",
    form([email], "Write me a link", async (values) => {
      const { passwordForgot: payload } = await ask(
        `mutation ($input: PasswordForgotInput!) { passwordForgot(input: $input) { userErrors { message } } }`,
        values,
      );
      return problems(payload) || "If the address has an account, a mail with a link is on its way.";
    }),
    link("Sign in", "#"),
  );
}

function setUp(given: string): void {
  show(
    "Make the first user",
    element("p", "The first user is an administrator: may do everything, and invites the others."),
    form([email, name, newPassword], "Make the user", async (values) => {
      const { setUp: payload } = (await ask(
        `mutation ($input: SetUpInput!) { setUp(input: $input) { user { id } userErrors { message } } }`,
        { ...values, code: given, transport: "COOKIE" },
      )) as { setUp: { user: unknown } };
      return payload.user ? enter() : problems(payload);
    }),
  );
}

function invitation(given: string): void {
  show(
    "Welcome to Leadline",
    form([name, newPassword], "Go on", async (values) => {
      const { signUp: payload } = (await ask(
        `mutation ($input: SignUpInput!) { signUp(input: $input) { user { id } userErrors { message } } }`,
        { ...values, invitation: given, transport: "COOKIE" },
      )) as { signUp: { user: unknown } };
      return payload.user ? enter() : problems(payload);
    }),
  );
}

function passwordReset(given: string): void {
  show(
    "Choose a new password",
    form([newPassword], "Use this password", async (values) => {
      const { passwordReset: payload } = await ask(
        `mutation ($input: PasswordResetInput!) { passwordReset(input: $input) { userErrors { message } } }`,
        { ...values, code: given },
      );
      const wrong = problems(payload);
      if (!wrong) show("The password is changed", element("p", "You were signed out everywhere."), link("Sign in", "#"));
      return wrong;
    }),
  );
}

function emailVerify(given: string): void {
  show(
    "Is this your address?",
    element("p", "Enter the password that you chose. If you chose none here, somebody else wrote your address: close this page."),
    form([password], "Yes, it is mine", async (values) => {
      const { emailVerify: payload } = await ask(
        `mutation ($input: EmailVerifyInput!) { emailVerify(input: $input) { userErrors { message } } }`,
        { ...values, code: given },
      );
      const wrong = problems(payload);
      if (!wrong) show("Thank you", element("p", "The address is confirmed."), link("Sign in", "#"));
      return wrong;
    }),
  );
}

function open(): void {
  const [what = "", given = ""] = window.location.hash.slice(1).split(/=(.*)/s);
  const pages: Record<string, (given: string) => void> = {
    "set-up": setUp,
    invitation,
    "password-reset": passwordReset,
    "email-verify": emailVerify,
    "sign-in-failed": (message) => signIn(decodeURIComponent(message)),
    connected: (name) => show("Connected", element("p", `${decodeURIComponent(name)} is connected. You can close this page.`)),
    "connection-failed": (message) => show("Not connected", element("p", decodeURIComponent(message))),
    forgot,
    "sign-up": signUp,
  };
  const page = pages[what] ?? (() => signIn());
  page(given);
  // A code stays neither in the address bar nor in the history.
  if (given) window.history.replaceState(null, "", window.location.pathname);
}

window.addEventListener("hashchange", open);
open();
