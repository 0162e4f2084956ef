import type { GraphiQLProps } from "graphiql";
import { Kind, parse, type FormattedExecutionResult, type OperationDefinitionNode } from "graphql";
import { createClient, type Client, type SubscribePayload } from "graphql-ws";

type Fetcher = GraphiQLProps["fetcher"];
type Result = FormattedExecutionResult<Record<string, unknown>, unknown>;

/** A running subscription as GraphiQL takes it: an observable, so that a stop does not wait for the next event. */
interface Observer {
  next(result: Result): void;
  error(cause: unknown): void;
  complete(): void;
}

/** What the server's last answer says about the token. */
export type Access = "granted" | "unauthenticated";

const endpoint = "/graphql";

/** Close codes of the socket that refuse the token: unauthorised, and forbidden as the answer to `connection_init`. */
const refusals = [4401, 4403];

function socketAddress(): string {
  const address = new URL(`${endpoint}/ws`, window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

/**
 * The operation that is meant: the named one, or the only one there is. GraphiQL learns the name a moment after the text
 * has changed, so just after a change of tab it still gives the one before.
 * Undefined when the document cannot be read or the choice is open; the server says what is wrong with it.
 */
function chosenOperation(query: string, name?: string | null): OperationDefinitionNode | undefined {
  try {
    const operations = parse(query).definitions.filter((part) => part.kind === Kind.OPERATION_DEFINITION);
    const named = operations.find((operation) => operation.name?.value === name);
    return named ?? (operations.length === 1 ? operations[0] : undefined);
  } catch {
    return undefined;
  }
}

function failure(message: string, code?: string): Result {
  return { errors: [code ? { message, extensions: { code } } : { message }] };
}

/** Fields that are answered without a token too. */
const open = /^(version|__\w+)$/;

/** What the answer says about the token; null when it says nothing. */
function accessOf({ data, errors }: Result): Access | null {
  if (errors?.some((error) => error.extensions?.code === "UNAUTHENTICATED")) return "unauthenticated";
  const guarded = Object.entries(data ?? {}).filter(([field]) => !open.test(field));
  return guarded.some(([, value]) => value !== null) ? "granted" : null;
}

async function post(payload: object, headers: Record<string, string>): Promise<Result> {
  let response: Response;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      headers: { accept: "application/graphql-response+json, application/json", "content-type": "application/json", ...headers },
      body: JSON.stringify(payload),
    });
  } catch {
    return failure("the server does not answer");
  }
  const code = response.status === 401 ? "UNAUTHENTICATED" : undefined;
  try {
    const answer: unknown = await response.json();
    if (typeof answer === "object" && answer !== null && ("data" in answer || "errors" in answer)) return answer as Result;
  } catch {
    // Not JSON: told below by its status.
  }
  return failure(`the server answered ${response.status} ${response.statusText}`.trim(), code);
}

/** Tells a failure of the socket in words, with the code of the refusal when it is one. */
function socketFailure(cause: unknown): Result {
  if (Array.isArray(cause)) return { errors: cause } as Result;
  if (cause instanceof CloseEvent) {
    const reason = cause.reason || "no reason given";
    if (refusals.includes(cause.code)) return failure(`the server refused the token: ${reason}`, "UNAUTHENTICATED");
    return failure(`the connection was closed (${cause.code}: ${reason}); run again, with \`after\` set to the last cursor`);
  }
  if (cause instanceof Error) return failure(cause.message);
  return failure("the server does not answer on the WebSocket");
}

/**
 * Speaks to the server with one token: queries and mutations by POST, subscriptions over one WebSocket that is opened when
 * the first of them runs. `onAccess` hears after each answer whether the token was good.
 */
export class Connection {
  readonly #token: string;
  readonly #onAccess: (access: Access) => void;
  readonly #socket: Client;
  #closed = false;

  constructor(token: string, onAccess: (access: Access) => void) {
    this.#token = token;
    this.#onAccess = onAccess;
    this.#socket = createClient({
      url: socketAddress(),
      connectionParams: () => (token ? { authorization: `Bearer ${token}` } : {}),
      // A new attempt would begin at the present and hide what was missed; the user is told instead.
      retryAttempts: 0,
    });
  }

  /** Ends the socket with all its subscriptions; answers that come later are not reported. */
  close(): void {
    this.#closed = true;
    void this.#socket.dispose();
  }

  /** Runs one operation for GraphiQL. */
  readonly fetcher = ((params, options) => {
    const { query, variables } = params;
    const operation = chosenOperation(query, params.operationName);
    const operationName = operation ? operation.name?.value : (params.operationName ?? undefined);
    const payload = { query, variables, operationName };
    if (operation?.operation === "subscription") return this.#subscribe(payload);
    return this.#request(payload, options?.headers ?? {});
  }) as Fetcher;

  async #request(payload: object, headers: Record<string, string>): Promise<Result> {
    const authorization: Record<string, string> = this.#token ? { authorization: `Bearer ${this.#token}` } : {};
    const result = await post(payload, { ...authorization, ...headers });
    this.#report(result);
    return result;
  }

  #subscribe(payload: SubscribePayload) {
    return {
      subscribe: (observer: Observer) => {
        const unsubscribe = this.#socket.subscribe<Record<string, unknown>>(payload, {
          next: (result) => {
            this.#report(result);
            observer.next(result);
          },
          error: (cause) => {
            const result = socketFailure(cause);
            this.#report(result);
            observer.next(result);
            observer.complete();
          },
          complete: () => observer.complete(),
        });
        return { unsubscribe };
      },
    };
  }

  #report(result: Result): void {
    const access = accessOf(result);
    if (access !== null && !this.#closed) this.#onAccess(access);
  }
}
