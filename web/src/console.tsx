import { GraphiQL } from "graphiql";
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useId, useRef, useState, type ChangeEvent, type FormEvent } from "react";
import { examples } from "./examples";
import { Connection, type Access } from "./fetcher";
import { signedIn, signOut } from "./session";
import { initialToken, keepToken, onTokenInAddress } from "./token";

const firstTabs = examples.map(({ query }) => ({ query }));

/** The page: the token at the top, GraphiQL below. */
export function Console() {
  const [token, setToken] = useState(initialToken);
  const [access, setAccess] = useState<Access | null>(null);
  const [ready, setReady] = useState(false);
  const [connection] = useState(() => new Connection(token, setAccess));

  const change = (next: string) => {
    keepToken(next);
    connection.changeToken(next);
    setAccess(null);
    setToken(next);
  };
  useEffect(() => onTokenInAddress(change), []);
  const [user, setUser] = useState<string | null>(null);
  useEffect(() => {
    // Without a token it is the browser's session that counts.
    if (!token) void signedIn().then(setUser);
  }, [token]);

  return (
    <>
      <TokenBar token={token} user={user} access={access} onChange={change} />
      <main inert={!ready}>
        <GraphiQL
          fetcher={connection.fetcher}
          defaultTabs={firstTabs}
          defaultEditorToolsVisibility={false}
          shouldPersistHeaders={false}
          schemaDescription
        >
          <GraphiQL.Logo>
            <ExampleList />
          </GraphiQL.Logo>
          <SchemaOfToken token={token} />
          <Readiness onReady={setReady} />
        </GraphiQL>
      </main>
    </>
  );
}

/** Where the token is entered, and where the page says what is wrong with it. */
function TokenBar({
  token,
  user,
  access,
  onChange,
}: {
  token: string;
  user: string | null;
  access: Access | null;
  onChange: (token: string) => void;
}) {
  const [entered, setEntered] = useState(token);
  const field = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setEntered(token), [token]);
  const forget = () => {
    onChange("");
    input.current?.focus();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (entered.trim() !== token) onChange(entered.trim());
  };
  return (
    <header>
      <h1>Leadline</h1>
      <form onSubmit={submit}>
        <label htmlFor={field}>API token</label>
        <input
          id={field}
          ref={input}
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="paste a token"
          value={entered}
          onChange={(event) => setEntered(event.target.value)}
          aria-invalid={token !== "" && access === "unauthenticated"}
          aria-describedby={`${field}-status`}
        />
        <button type="submit" disabled={entered.trim() === token}>
          Use
        </button>
        {token && (
          <button type="button" onClick={forget}>
            Forget
          </button>
        )}
      </form>
      <p id={`${field}-status`} role="status">
        <TokenStatus token={token} user={user} access={access} />
      </p>
    </header>
  );
}

function TokenStatus({ token, user, access }: { token: string; user: string | null; access: Access | null }) {
  const create = <code>leadline token create --name NAME --scope SCOPE</code>;
  if (!token && user !== null && access !== "unauthenticated") {
    const leave = () => void signOut().finally(() => window.location.assign("/account"));
    return (
      <>
        You are signed in as {user}.{" "}
        <button type="button" onClick={leave}>
          Sign out
        </button>
      </>
    );
  }
  if (!token) {
    return (
      <span className="warning">
        <strong>No token.</strong> <a href="/account">Sign in</a>, or make one with {create} and paste it here.
      </span>
    );
  }
  if (access === "unauthenticated") {
    return (
      <span className="warning">
        <strong>The token was refused</strong> (UNAUTHENTICATED): it is mistyped, expired or revoked. Make a new one with {create}.
      </span>
    );
  }
  return access === "granted" ? "The token is accepted." : "The token is sent with each request.";
}

/** Asks for the schema anew after the token has changed: what it shows depends on the token. */
function SchemaOfToken({ token }: { token: string }) {
  const { introspect } = useGraphiQLActions();
  const asked = useRef(token);
  useEffect(() => {
    // GraphiQL asks for the first one by itself.
    if (asked.current === token) return;
    asked.current = token;
    void introspect();
  }, [token, introspect]);
  return null;
}

/**
 * Tells when all editors are there. Before, a click on another tab would change the tab but not the text, and that text would
 * then be taken for the tab's own.
 */
function Readiness({ onReady }: { onReady: (ready: boolean) => void }) {
  const ready = useGraphiQL((state) =>
    [state.queryEditor, state.variableEditor, state.headerEditor, state.responseEditor].every(Boolean),
  );
  useEffect(() => onReady(ready), [ready, onReady]);
  return null;
}

/** Opens an example in a new tab. */
function ExampleList() {
  const { addTab, stop } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const open = (event: ChangeEvent<HTMLSelectElement>) => {
    const example = examples[Number(event.target.value)];
    if (!example || !queryEditor) return;
    // A running subscription would go on into the new tab.
    stop();
    addTab();
    queryEditor.setValue(example.query);
    queryEditor.focus();
  };
  return (
    <select className="examples" aria-label="Open an example in a new tab" value="" onChange={open}>
      <option value="" disabled>
        Examples
      </option>
      {examples.map(({ title }, index) => (
        <option key={title} value={index}>
          {title}
        </option>
      ))}
    </select>
  );
}
