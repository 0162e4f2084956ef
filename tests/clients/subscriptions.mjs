// Subscribes with the npm packages graphql-ws and graphql-sse, unmodified, and says what they tell, one JSON value a line.
//
//   LEADLINE_URL=http://127.0.0.1:8080 LEADLINE_TOKEN=… node subscriptions.mjs
//
// It is told what to do by lines of JSON:
//   {"by": "ws" | "sse", "query": "…", "token": "…"}  subscribes once; a result is {"next": …}
//   with "break": "how"                                has the socket break the protocol, see below
//   {"end": true}                                      ends
import { createInterface } from "node:readline";
import { createClient as overSockets } from "graphql-ws";
import { createClient as overEvents } from "graphql-sse";
import WebSocket from "ws";

const url = process.env.LEADLINE_URL;
const say = (what) => console.log(JSON.stringify(what));

/** What to do at which event of the client to have the server close the socket. */
const breaks = {
  4400: { opened: (socket) => socket.send("nonsense") },
  4401: { opened: (socket) => socket.send('{"type":"subscribe","id":"early","payload":{"query":"{ version }"}}') },
  4409: {
    connected: (socket) => {
      const twice = '{"type":"subscribe","id":"twice","payload":{"query":"subscription { leadChanged { cursor } }"}}';
      socket.send(twice);
      socket.send(twice);
    },
  },
  4429: { connected: (socket) => socket.send('{"type":"connection_init"}') },
};

/** Offers none. (One that offers another ends the connection itself, as nothing of what it offers is taken.) */
class NoProtocol extends WebSocket {
  constructor(address) {
    super(address);
  }
}

/** Waits until the server answers: graphql-ws takes a refused connection for an error that no retry mends. */
async function serverIsThere() {
  for (;;) {
    try {
      await fetch(`${url}/health/live`);
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

function clientOf({ by, token = process.env.LEADLINE_TOKEN, break: how, attempts = 5 }) {
  if (by === "sse") {
    return overEvents({
      url: `${url}/graphql/stream`,
      headers: { authorization: `Bearer ${token}` },
      retryAttempts: attempts,
      retry: serverIsThere,
      on: { connecting: (again) => say({ connecting: again }), connected: () => say({ connected: true }) },
    });
  }
  return overSockets({
    url: `${url.replace("http", "ws")}/graphql/ws`,
    webSocketImpl: how === 4406 ? NoProtocol : WebSocket,
    // A promise that nobody keeps: the client connects and never says who it is.
    connectionParams: how === 4408 ? () => new Promise(() => {}) : { authorization: `Bearer ${token}` },
    retryAttempts: attempts,
    retryWait: serverIsThere,
    on: {
      connecting: (again) => say({ connecting: again }),
      closed: ({ code, reason }) => say({ closed: code, reason }),
      ...breaks[how],
      connected: (socket) => {
        say({ connected: true });
        breaks[how]?.connected?.(socket);
      },
    },
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (told.end) process.exit(0);
  clientOf(told).subscribe(
    { query: told.query },
    {
      next: (result) => say({ next: result }),
      error: (error) => say({ error: error.code ?? error.response?.status ?? error.message ?? error }),
      complete: () => say({ complete: true }),
    },
  );
}
