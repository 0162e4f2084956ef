/** The session of this browser: cookies that no script reads, renewed by `sessionRefresh`. */

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { message: string }[];
}

/** Asks the server one thing; the answer's data, or an error in words. */
export async function ask(query: string, input?: Record<string, unknown>): Promise<Record<string, unknown>> {
  let answer: Answer;
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query, variables: input ? { input } : {} }),
    });
    answer = (await response.json()) as Answer;
  } catch {
    throw new Error("the server does not answer");
  }
  if (answer.errors?.length) throw new Error(answer.errors.map(({ message }) => message).join("; "));
  return answer.data ?? {};
}

let refreshing: Promise<boolean> | undefined;

/** Renews the session; answers whether there is one. Calls at the same time are one. */
export function refreshSession(): Promise<boolean> {
  refreshing ??= ask("mutation { sessionRefresh(input: {}) { user { id } } }")
    .then(() => true)
    .catch(() => false)
    .finally(() => {
      refreshing = undefined;
    });
  return refreshing;
}

async function me(): Promise<string | null> {
  try {
    const { me } = (await ask("{ me { email } }")) as { me: { email: string } | null };
    return me?.email ?? null;
  } catch {
    return null;
  }
}

/** Who is signed in in this browser; null when nobody is. */
export async function signedIn(): Promise<string | null> {
  const email = await me();
  if (email !== null) return email;
  return (await refreshSession()) ? me() : null;
}

/** Ends the session. */
export async function signOut(): Promise<void> {
  await ask("mutation { signOut { signedOut } }");
}
