const key = "leadline:token";

/**
 * Takes a token out of the address (`#token=…`), so that it stays neither in the address bar nor in the history.
 * Answers null when the address carries none.
 */
function takeFromAddress(): string | null {
  const fragment = new URLSearchParams(window.location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return null;
  fragment.delete("token");
  const rest = fragment.toString();
  const { pathname, search } = window.location;
  window.history.replaceState(window.history.state, "", pathname + search + (rest ? `#${rest}` : ""));
  return token.trim();
}

/** The token to start with: from the address, else the one this browser tab used last, else empty. */
export function initialToken(): string {
  const given = takeFromAddress();
  if (given !== null) keepToken(given);
  return given ?? window.sessionStorage.getItem(key) ?? "";
}

/** Keeps the token for this browser tab until it is closed; an empty token forgets it. */
export function keepToken(token: string): void {
  if (token) window.sessionStorage.setItem(key, token);
  else window.sessionStorage.removeItem(key);
}

/** Calls back with each token that arrives in the address after the page was loaded; answers how to stop. */
export function onTokenInAddress(callback: (token: string) => void): () => void {
  const listener = () => {
    const token = takeFromAddress();
    if (token !== null) callback(token);
  };
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}
