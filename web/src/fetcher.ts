import type { GraphiQLProps } from "graphiql";
import { Kind, parse, type FormattedExecutionResult, type OperationDefinitionNode } from "graphql";
import { createClient, type Client, type SubscribePayload } from "graphql-ws";
import { refreshSession } from "./session";

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

function authorization(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

function openSocket(token: string): Client {
  const address = new URL(`${endpoint}/ws`, window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return createClient({
    url: address.href,
    connectionParams: token ? authorization(token) : {},
    // A new attempt would begin at the present and hide what was missed; the user is told instead.
    retryAttempts: 0,
  });
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
function socketFailure(cause: unknown, withToken: boolean): Result {
  if (Array.isArray(cause)) return { errors: cause } as Result;
  if (cause instanceof CloseEvent) {
    const reason = cause.reason || "no reason given";
    if (refusals.includes(cause.code)) {
      return failure(withToken ? `the server refused the token: ${reason}` : "a token is needed", "UNAUTHENTICATED");
    }
    return failure(`the connection was closed (${cause.code}: ${reason}); run again, with \`after\` set to the last cursor`);
  }
  if (cause instanceof Error) return failure(cause.message);
  return failure("the server does not answer on the WebSocket");
}

/**
 * Speaks to the server: queries and mutations by POST, subscriptions over one WebSocket that is opened when the first of them
 * runs. `onAccess` hears after each answer what it says about the token in use.
 */
export class Connection {
  readonly #onAccess: (access: Access) => void;
  #token = "";
  #socket: Client | undefined;

  constructor(token: string, onAccess: (access: Access) => void) {
    this.#onAccess = onAccess;
    this.#token = token;
  }

  /** Uses another token from here on; the subscriptions that run with the one before are ended. */
  changeToken(token: string): void {
    this.#token = token;
    void this.#socket?.dispose();
    this.#socket = undefined;
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
    const token = this.#token;
    const send = () => post(payload, { ...(token ? authorization(token) : {}), ...headers });
    let result = await send();
    // Without a token it is the cookies' turn, which last a quarter of an hour.
    if (!token && accessOf(result) === "unauthenticated" && (await refreshSession())) result = await send();
    this.#report(token, result);
    return result;
  }

  #subscribe(payload: SubscribePayload) {
    return {
      subscribe: (observer: Observer) => {
        const token = this.#token;
        this.#socket ??= openSocket(token);
        const unsubscribe = this.#socket.subscribe<Record<string, unknown>>(payload, {
          next: (result) => {
            this.#report(token, result);
            observer.next(result);
          },
          error: (cause) => {
            const result = socketFailure(cause, token !== "");
            this.#report(token, result);
            observer.next(result);
            observer.complete();
          },
          complete: () => observer.complete(),
        });
        return { unsubscribe };
      },
    };
  }

  /** An answer to a token that is no longer in use says nothing about the present one. */
  #report(token: string, result: Result): void {
    const access = accessOf(result);
    if (access !== null && token === this.#token) this.#onAccess(access);
  }
}
