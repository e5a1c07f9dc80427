import { deadline } from "./deadline.ts";
import { HANDSHAKE, request } from "./raw.ts";
import type { TestServer } from "./server.ts";
import { Client } from "./socket.ts";

/** What a client shows of itself. */
export interface Shown {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Socket.IO's `auth`. */
  readonly auth?: unknown;
}

/** How it went: what was the matter and the sentence that told it, or nothing if the client is in. */
export type Outcome = readonly [code: string, sentence: string] | undefined;

/** One way to receive from a server. */
export interface Door {
  readonly name: string;
  /** Asks to be let in, and leaves again. */
  readonly knock: (server: TestServer, shown: Shown) => Promise<Outcome>;
}

const socket = (path: string, protocol?: string): Door["knock"] => async (server, shown) => {
  const { query = "", headers = {} } = shown;
  const lines = Object.entries({
    ...headers,
    ...(protocol && { "sec-websocket-protocol": protocol }),
  });
  const { status, body } = await request(server.port, [
    `GET ${path}?${query} HTTP/1.1`,
    ...HANDSHAKE,
    ...lines.map(([name, value]) => `${name}: ${value}`),
  ]);
  return status === 101 ? undefined : readProblem(status, body);
};

const get = (path: string): Door["knock"] => async (server, { query = "", headers = {} }) => {
  const response = await deadline(fetch(`${server.url}${path}?${query}`, { headers }));
  if (response.status !== 200) return readProblem(response.status, await response.text());
  await response.body?.cancel();
  return undefined;
};

/** Where a refusal that passes is a stream that ends, because an EventSource knows no other. */
const events: Door["knock"] = async (server, { query = "", headers = {} }) => {
  const response = await deadline(fetch(`${server.url}/events?${query}`, { headers }));
  if (response.status !== 200) return readProblem(response.status, await response.text());
  const reader = response.body!.getReader();
  const { value } = await deadline(reader.read());
  await reader.cancel();
  const [, sentence] = /^: (.*)\nretry: /.exec(new TextDecoder().decode(value)) ?? [];
  return sentence === undefined ? undefined : ["unavailable", sentence];
};

const socketio = (version: 3 | 4, namespace: string): Door["knock"] => async (server, shown) => {
  const { query = "", headers = {}, auth = {} } = shown;
  const path = `/socket.io/?EIO=${version}&transport=websocket&${query}`;
  await using client = await Client.open(server.socketUrl(path), { headers });
  await client.text();
  const isDefault = namespace === "/";
  const name = isDefault ? "" : `${namespace},`;
  if (version === 4) client.send(`40${name}${JSON.stringify(auth)}`);
  else if (!isDefault) {
    await client.text();
    client.send(`40${namespace}`);
  }
  const answer = await client.text();
  if (answer.startsWith("40")) return undefined;
  const refusal = JSON.parse(answer.slice(`44${name}`.length));
  return version === 4 ? [refusal.data.code, refusal.message] : ["", refusal];
};

function readProblem(status: number, body: string): Outcome {
  const { type, detail, status: told } = JSON.parse(body);
  if (told !== status) throw new Error(`The status is ${status}, and the problem tells ${body}`);
  return [type.replace("urn:hark:problem:", ""), detail];
}

/** Where a client that comes in is on `broadcast`. */
export const MAIN_DOORS: readonly Door[] = [
  { name: "WebSocket", knock: socket("/ws") },
  { name: "WebSocket at /", knock: socket("/") },
  { name: "hark.v1", knock: socket("/ws", "hark.v1") },
  { name: "SSE", knock: events },
  { name: "Socket.IO", knock: socketio(4, "/") },
  { name: "Socket.IO 2", knock: socketio(3, "/") },
];

/** Where a client gets channel `news`, and that alone. */
export const NEWS_DOORS: readonly Door[] = [
  { name: "history", knock: get("/channels/news") },
  { name: "presence", knock: get("/channels/news/presence") },
  { name: "Socket.IO namespace", knock: socketio(4, "/news") },
];

/** Every way to receive. */
export const DOORS: readonly Door[] = [...MAIN_DOORS, ...NEWS_DOORS];
