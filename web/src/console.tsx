import { GraphiQL } from "graphiql";
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useId, useMemo, useState, type ChangeEvent, type FormEvent } from "react";
import { examples } from "./examples";
import { Connection, type Access } from "./fetcher";
import { initialToken, keepToken, onTokenInAddress } from "./token";

const firstTabs = examples.map(({ query }) => ({ query }));

/** The page: the token at the top, GraphiQL below. */
export function Console() {
  const [token, setToken] = useState(initialToken);
  const [access, setAccess] = useState<Access | null>(null);
  const connection = useMemo(() => new Connection(token, setAccess), [token]);

  const change = (next: string) => {
    keepToken(next);
    setAccess(null);
    setToken(next);
  };
  useEffect(() => onTokenInAddress(change), []);
  useEffect(() => () => connection.close(), [connection]);

  return (
    <>
      <TokenBar key={token} token={token} access={access} onChange={change} />
      <main>
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
          <Reintrospection connection={connection} />
        </GraphiQL>
      </main>
    </>
  );
}

/** Where the token is entered, and where the page says what is wrong with it. */
function TokenBar({ token, access, onChange }: { token: string; access: Access | null; onChange: (token: string) => void }) {
  const [entered, setEntered] = useState(token);
  const field = useId();
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
          <button type="button" onClick={() => onChange("")}>
            Forget
          </button>
        )}
      </form>
      <p id={`${field}-status`} role="status">
        <TokenStatus token={token} access={access} />
      </p>
    </header>
  );
}

function TokenStatus({ token, access }: { token: string; access: Access | null }) {
  const create = <code>leadline token create --name NAME --scope SCOPE</code>;
  if (!token) {
    return (
      <span className="warning">
        <strong>No token.</strong> Only the server’s version can be asked. Make one with {create} and paste it here.
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
function Reintrospection({ connection }: { connection: Connection }) {
  const { introspect } = useGraphiQLActions();
  const [first] = useState(connection);
  useEffect(() => {
    // GraphiQL asks for the first one by itself.
    if (connection !== first) void introspect();
  }, [connection, first, introspect]);
  return null;
}

/** Opens an example in a new tab. */
function ExampleList() {
  const { addTab } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const open = (event: ChangeEvent<HTMLSelectElement>) => {
    const example = examples[Number(event.target.value)];
    if (!example || !queryEditor) return;
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
